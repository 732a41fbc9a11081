/** One unary call over http2: gathers its request, has its method answer it, and sends the answer or a status. */
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { type Metadata, status } from "@grpc/grpc-js";
import type { Clock } from "../clock.ts";
import { CacheError, limitExceeded } from "../errors.ts";
import type { CallSpan } from "../telemetry/telemetry.ts";
import { type GrpcFrame, PREFIX_BYTES } from "../wire/grpc-frame.ts";
import type { Limits } from "../wire/limits.ts";
import { toServiceError } from "../wire/status.ts";
import type { ListedCall } from "./call-list.ts";
import { parseTimeoutMs } from "./grpc-timeout.ts";
import type { CallRegister, HeaderReader } from "./open-call.ts";

/** A method whose calls are taken. */
export interface DirectMethod {
  readonly path: string;
  readonly requestStream: false;
  /** Throws what becomes the status of the call. */
  answer(message: Uint8Array, span: CallSpan, header: HeaderReader): GrpcFrame;
}

export interface DirectCallDeps {
  readonly register: CallRegister;
  readonly clock: Clock;
  readonly limits: Pick<Limits, "receiveMaxBytes" | "sendMaxBytes">;
}

const ANSWER_HEADERS: OutgoingHttpHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
};
const OK_TRAILERS: OutgoingHttpHeaders = { "grpc-status": status.OK };
const NO_BYTES = Buffer.alloc(0);

interface Refusal {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

export class DirectCall implements ListedCall {
  readonly method: DirectMethod;
  readonly stream: ServerHttp2Stream;
  readonly streaming = false;
  readonly #headers: IncomingHttpHeaders;
  readonly #deps: DirectCallDeps;
  readonly deadlineMs: number;
  span: CallSpan | undefined;
  session: undefined;
  startedMs = 0;
  halfClosed = false;
  answered = false;
  sendingSinceMs: number | undefined;
  older: ListedCall | undefined;
  newer: ListedCall | undefined;
  /** What has come of the request, its prefix included, and behind it room for more. */
  #memory: Buffer = NO_BYTES;
  #receivedBytes = 0;

  constructor(
    method: DirectMethod,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    deps: DirectCallDeps,
  ) {
    this.method = method;
    this.stream = stream;
    this.#headers = headers;
    this.#deps = deps;
    const timeout = headers["grpc-timeout"];
    const timeoutMs = typeof timeout === "string" ? parseTimeoutMs(timeout) : undefined;
    this.deadlineMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : deps.clock.nowMs() + timeoutMs;
  }

  begin(): void {
    const { stream } = this;
    // Whatever goes wrong with a stream also closes it.
    stream.on("error", () => {});
    stream.on("close", () => this.#deps.register.end(this, status.CANCELLED));
    this.#deps.register.begin(this, this.header);
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("end", () => this.#requested());
  }

  /** http2 joins the values of a header that is repeated, which makes neither a trace nor a client id of it. */
  readonly header: HeaderReader = (name) => {
    const value = this.#headers[name];
    return typeof value === "string" ? value : value?.[0];
  };

  refuse(error: unknown): void {
    this.#end(toServiceError(error));
  }

  #take(chunk: Buffer): void {
    if (this.answered) return;
    const { receiveMaxBytes } = this.#deps.limits;
    this.#append(chunk);
    const messageBytes = this.#messageBytes();
    if (messageBytes > receiveMaxBytes) {
      this.refuse(limitExceeded("receive_max_bytes", String(receiveMaxBytes)));
    } else if (this.#receivedBytes > PREFIX_BYTES + messageBytes) {
      this.#end({ code: status.UNIMPLEMENTED, details: "a second request message" });
    }
  }

  /** The room doubles: many small chunks are not copied again and again, and a prefix that lies is not believed. */
  #append(chunk: Buffer): void {
    const before = this.#receivedBytes;
    this.#receivedBytes += chunk.length;
    if (before === 0) {
      this.#memory = chunk;
      return;
    }
    if (this.#receivedBytes > this.#memory.length) {
      const grown = Buffer.allocUnsafe(2 * this.#receivedBytes);
      this.#memory.copy(grown, 0, 0, before);
      this.#memory = grown;
    }
    chunk.copy(this.#memory, before);
  }

  /** By its prefix; 0 as long as that has not come. */
  #messageBytes(): number {
    return this.#receivedBytes < PREFIX_BYTES ? 0 : this.#memory.readUInt32BE(1);
  }

  #requested(): void {
    this.halfClosed = true;
    if (this.answered) return;
    if (this.#receivedBytes < PREFIX_BYTES || this.#receivedBytes < PREFIX_BYTES + this.#messageBytes()) {
      this.#end({ code: status.UNIMPLEMENTED, details: "no request message" });
    } else if (this.#memory[0] !== 0) {
      this.#end({ code: status.INTERNAL, details: "a compressed request without its encoding" });
    } else if (this.deadlineMs < Number.POSITIVE_INFINITY && this.#deps.clock.nowMs() >= this.deadlineMs) {
      this.refuse(new CacheError("DEADLINE", "the call's deadline has passed"));
    } else this.#answer(this.#memory.subarray(PREFIX_BYTES, this.#receivedBytes));
  }

  #answer(message: Buffer): void {
    const { span } = this;
    if (span === undefined) throw new Error("a call was answered before it began");
    try {
      this.#send(this.method.answer(message, span, this.header));
    } catch (error) {
      this.refuse(error);
    }
  }

  #send(frame: GrpcFrame): void {
    const { stream } = this;
    const { limits, register } = this.#deps;
    if (frame.bytes.length - PREFIX_BYTES > limits.sendMaxBytes) {
      frame.release();
      this.#end({ code: status.RESOURCE_EXHAUSTED, details: "an answer larger than may be sent" });
      return;
    }
    this.answered = true;
    this.sendingSinceMs = register.nowMs();
    this.span?.end(status.OK);
    if (stream.destroyed || stream.closed) return;
    stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    stream.once("wantTrailers", () => stream.sendTrailers(OK_TRAILERS));
    stream.end(frame.bytes, (error?: Error | null) => {
      // What was cut off may still be on its way to the socket.
      if (!error) frame.release();
    });
  }

  #end({ code, details, metadata }: Refusal): void {
    if (this.answered) return;
    this.answered = true;
    this.sendingSinceMs = this.#deps.register.nowMs();
    this.#memory = NO_BYTES;
    this.span?.end(code);
    const { stream } = this;
    if (stream.destroyed || stream.closed) return;
    stream.respond(
      {
        ...ANSWER_HEADERS,
        "grpc-status": code,
        "grpc-message": encodeURI(details),
        ...metadata?.toHttp2Headers(),
      },
      { endStream: true },
    );
    // A request that has not ended would keep its stream open behind the answer (RFC 9113, section 8.1).
    if (!this.halfClosed) stream.close(constants.NGHTTP2_NO_ERROR);
  }
}
