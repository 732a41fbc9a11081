/**
 * One streaming call without grpc-js: reads its requests as long as its handler takes them, and sends frames and in the end
 * a status.
 */
import type { IncomingHttpHeaders } from "node:http2";
import { status } from "@grpc/grpc-js";
import { type DeframerFault, GrpcDeframer } from "../../codec/framing/grpc-deframer.ts";
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import { type CacheError, limitExceeded } from "../../common/errors.ts";
import { undecodable } from "../calls/decode-request.ts";
import type { RequestReader, StreamingCall } from "../calls/handler-call.ts";
import type { OwnStream } from "../calls/http2-stream.ts";
import {
  ANSWER_HEADERS,
  COMPRESSED_REQUEST,
  FastCall,
  type FastCallDeps,
  NO_REQUEST,
  OK_TRAILERS,
  type Refusal,
  SECOND_REQUEST,
} from "./call.ts";
import type { FastStreamingMethod } from "./streaming-methods.ts";

/** Memory that a message gets for the length in its prefix alone, before its bytes have come. */
const UNPROVEN_MAX_BYTES = 64 * 1024;

export class FastStreamingCall extends FastCall<FastStreamingMethod> implements StreamingCall {
  readonly streaming = true;
  readonly #splitter: GrpcDeframer;
  #reader: RequestReader<Uint8Array> | undefined;
  #requests = 0;
  /** How many there were when its bytes were counted last. */
  #counted = 0;
  /** The number of frames that the connection has not taken. */
  #sending = 0;
  /** What their memory takes. The queue of its handler counts it for the connection. */
  #sendingBytes = 0;
  #reading = false;
  #held = false;
  #arrived = false;

  constructor(
    method: FastStreamingMethod,
    stream: OwnStream,
    headers: IncomingHttpHeaders,
    deps: FastCallDeps,
  ) {
    super(method, stream, headers, deps);
    this.#splitter = new GrpcDeframer({
      messageMaxBytes: method.requestMaxBytes,
      firstAllocationMaxBytes: UNPROVEN_MAX_BYTES,
    });
  }

  begin(headers: IncomingHttpHeaders): void {
    if (!this.enter(headers)) return;
    try {
      this.#reader = this.method.open(this, this.context());
    } catch (error) {
      this.fail(error);
    }
  }

  override streamClosed(): void {
    super.streamClosed();
    this.cutOff(this.#sendingBytes);
    this.#splitter.drop();
    this.#reader?.closed();
  }

  dataCame(chunk: Buffer): void {
    this.arrived(chunk.length);
    if (this.answered) return;
    this.#splitter.push(chunk);
    this.#read();
    this.recount();
  }

  requestEnded(): void {
    this.#arrived = true;
    this.#read();
  }

  override get heldBytes(): number {
    return super.heldBytes + this.#sendingBytes;
  }

  send(frame: GrpcFrame, taken: (heldBytes: number) => void): void {
    const { stream } = this;
    const { heldBytes } = frame;
    if (!this.open || !this.fits(frame)) return;
    this.#sendingBytes += heldBytes;
    if (!stream.headersSent) stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    this.#sending += 1;
    this.sendingSinceMs ??= this.deps.register.nowMs();
    stream.write(
      frame.bytes,
      this.guard((error?: Error | null) => {
        this.#sendingBytes -= heldBytes;
        this.written(heldBytes);
        if (error) {
          frame.release();
          return;
        }
        this.#sending -= 1;
        if (!this.answered) this.sendingSinceMs = this.#sending > 0 ? this.deps.register.nowMs() : undefined;
        frame.release();
        taken(heldBytes);
      }),
    );
  }

  end(error?: CacheError): void {
    if (error !== undefined) {
      this.refuse(error);
      return;
    }
    if (!this.setStatus(status.OK)) return;
    if (!this.stream.headersSent) this.stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    this.finish(OK_TRAILERS);
  }

  readOn(): void {
    if (!this.#held) return;
    this.#read();
    this.recount();
  }

  #read(): void {
    const reader = this.#reader;
    // A reader that unpauses while it takes a request is asked again when it has taken it.
    if (reader === undefined || this.#reading) return;
    this.#reading = true;
    try {
      this.#readFor(reader);
    } catch (error) {
      this.fail(error);
    } finally {
      this.#reading = false;
    }
  }

  #readFor(reader: RequestReader<Uint8Array>): void {
    while (!this.answered) {
      if (reader.paused()) {
        this.#hold(true);
        return;
      }
      const message = this.#splitter.next();
      if (message === undefined) break;
      this.#requests += 1;
      if (this.#requests > 1 && !this.method.requestStream) this.conclude(SECOND_REQUEST);
      else reader.receive(message);
    }
    if (this.#splitter.fault !== undefined) this.#refuseFault(this.#splitter.fault);
    if (this.#arrived) this.#halfClose(reader);
    else this.#hold(false);
  }

  #refuseFault(fault: DeframerFault): void {
    if (fault === "compressed") this.conclude(COMPRESSED_REQUEST);
    else this.refuse(limitExceeded("receive_max_bytes", String(this.method.requestMaxBytes)));
  }

  #halfClose(reader: RequestReader<Uint8Array>): void {
    if (this.halfClosed) return;
    this.halfClosed = true;
    if (this.answered) return;
    if (!this.#splitter.betweenMessages) this.refuse(undecodable());
    else if (this.#requests === 0 && !this.method.requestStream) this.conclude(NO_REQUEST);
    else reader.halfClosed();
  }

  recount(): void {
    if (this.answered) {
      this.holdRequest(0);
      return;
    }
    const { heldBytes } = this.#splitter;
    if (heldBytes === 0 || this.#held) this.arrivingSinceMs = undefined;
    else if (this.arrivingSinceMs === undefined || this.#counted !== this.#requests) {
      this.arrivingSinceMs = this.deps.register.nowMs();
    }
    this.#counted = this.#requests;
    this.holdRequest(heldBytes + this.stream.readableLength);
  }

  protected override conclude(refusal: Refusal): void {
    super.conclude(refusal);
    this.#splitter.drop();
  }

  #hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.stream.pause();
    else this.stream.resume();
  }
}
