/**
 * One streaming call over http2: cuts its requests out of what comes, as long as its reader takes them, and sends
 * frames and in the end a status.
 */
import type { IncomingHttpHeaders } from "node:http2";
import { status } from "@grpc/grpc-js";
import { type DeframerFault, GrpcDeframer } from "../../codec/framing/grpc-deframer.ts";
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import { type CacheError, limitExceeded } from "../../common/errors.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { RequestReader, StreamingCall } from "../calls/handler-call.ts";
import type { CallStream } from "../calls/http2-stream.ts";
import type { HeaderReader } from "../calls/registry.ts";
import {
  ANSWER_HEADERS,
  COMPRESSED_REQUEST,
  DirectCall,
  type DirectCallDeps,
  NO_REQUEST,
  OK_TRAILERS,
  SECOND_REQUEST,
  undecodable,
} from "./call.ts";

/** A method that sends more than one message. Its calls are read and closed by what it opens. */
export interface DirectStreamMethod {
  readonly path: string;
  readonly requestStream: boolean;
  /** Without a request stream its reader is given exactly one request. Throws what becomes the status. */
  open(call: StreamingCall, span: CallSpan, header: HeaderReader): RequestReader<Uint8Array>;
}

/** What a prefix gets before its message proves to be as long. */
const UNPROVEN_MAX_BYTES = 64 * 1024;

export class DirectStream extends DirectCall<DirectStreamMethod> implements StreamingCall {
  readonly streaming = true;
  readonly #splitter: GrpcDeframer;
  #reader: RequestReader<Uint8Array> | undefined;
  #requests = 0;
  /** Frames that the connection has not taken. */
  #sending = 0;
  #reading = false;
  #held = false;
  #arrived = false;

  constructor(
    method: DirectStreamMethod,
    stream: CallStream,
    headers: IncomingHttpHeaders,
    deps: DirectCallDeps,
  ) {
    super(method, stream, headers, deps);
    this.#splitter = new GrpcDeframer({
      messageMaxBytes: deps.limits.receiveMaxBytes,
      firstAllocationMaxBytes: UNPROVEN_MAX_BYTES,
    });
  }

  begin(): void {
    if (!this.enter()) return;
    const { stream } = this;
    try {
      this.#reader = this.method.open(this, this.ownSpan, this.header);
    } catch (error) {
      this.refuse(error);
      return;
    }
    stream.on("close", () => this.#reader?.closed());
    stream.on("data", (chunk: Buffer) => {
      if (this.answered) return;
      this.#splitter.push(chunk);
      this.#read();
    });
    stream.on("end", () => {
      this.#arrived = true;
      this.#read();
    });
  }

  get open(): boolean {
    return !(this.answered || this.stream.destroyed || this.stream.closed);
  }

  send(frame: GrpcFrame, taken: (heldBytes: number) => void): void {
    const { stream } = this;
    const { heldBytes } = frame;
    if (!this.open || !this.fits(frame)) return;
    if (!stream.headersSent) stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    this.#sending += 1;
    this.sendingSinceMs ??= this.deps.register.nowMs();
    stream.write(
      frame.bytes,
      this.guard((error?: Error | null) => {
        // What was cut off may still be on its way to the socket.
        if (error) return;
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
    if (!this.settle(status.OK)) return;
    if (!this.stream.headersSent) this.stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    this.finish(OK_TRAILERS);
  }

  readOn(): void {
    if (this.#held) this.#read();
  }

  #read(): void {
    const reader = this.#reader;
    // A reader that goes on while it is given a request is looked at when it has taken it.
    if (reader === undefined || this.#reading) return;
    this.#reading = true;
    try {
      this.#readFor(reader);
    } catch (error) {
      this.refuse(error);
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
    if (this.#splitter.fault !== undefined) this.#fail(this.#splitter.fault);
    if (this.#arrived) this.#halfClose(reader);
    else this.#hold(false);
  }

  #fail(fault: DeframerFault): void {
    const { receiveMaxBytes } = this.deps.limits;
    if (fault === "compressed") this.conclude(COMPRESSED_REQUEST);
    else this.refuse(limitExceeded("receive_max_bytes", String(receiveMaxBytes)));
  }

  #halfClose(reader: RequestReader<Uint8Array>): void {
    if (this.halfClosed) return;
    this.halfClosed = true;
    if (this.answered) return;
    if (!this.#splitter.betweenMessages) this.refuse(undecodable());
    else if (this.#requests === 0 && !this.method.requestStream) this.conclude(NO_REQUEST);
    else reader.halfClosed();
  }

  #hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.stream.pause();
    else this.stream.resume();
  }
}
