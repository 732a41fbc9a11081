/** What calls that are spoken over http2 have in common: headers, a place in the register, and how they get a status. */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { type Metadata, status } from "@grpc/grpc-js";
import { type GrpcFrame, PREFIX_BYTES } from "../../codec/framing/grpc-frame.ts";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { ListedCall } from "../calls/call-list.ts";
import { parseTimeoutMs } from "../calls/grpc-timeout.ts";
import type { CallStream } from "../calls/http2-stream.ts";
import type { CallRegister, HeaderReader } from "../calls/registry.ts";
import { toServiceError } from "../calls/service-error.ts";

export interface DirectCallDeps {
  readonly register: CallRegister;
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly limits: Pick<Limits, "receiveMaxBytes" | "sendMaxBytes">;
}

/** What a call says of its method's name and kind. */
export interface MethodKind {
  readonly path: string;
  readonly requestStream: boolean;
}

export interface Refusal {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

export const ANSWER_HEADERS: OutgoingHttpHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
};
export const OK_TRAILERS: OutgoingHttpHeaders = { "grpc-status": status.OK };

export const NO_REQUEST: Refusal = { code: status.UNIMPLEMENTED, details: "no request message" };
export const SECOND_REQUEST: Refusal = { code: status.UNIMPLEMENTED, details: "a second request message" };
export const COMPRESSED_REQUEST: Refusal = {
  code: status.INTERNAL,
  details: "a compressed request without its encoding",
};
const ANSWER_TOO_LARGE: Refusal = {
  code: status.RESOURCE_EXHAUSTED,
  details: "an answer larger than may be sent",
};

export abstract class DirectCall<Method extends MethodKind> implements ListedCall {
  readonly method: Method;
  readonly stream: CallStream;
  abstract readonly streaming: boolean;
  protected readonly deps: DirectCallDeps;
  readonly #headers: IncomingHttpHeaders;
  readonly deadlineMs: number;
  span: CallSpan | undefined;
  session: ListedCall["session"];
  startedMs = 0;
  halfClosed = false;
  answered = false;
  sendingSinceMs: number | undefined;
  older: ListedCall | undefined;
  newer: ListedCall | undefined;

  constructor(method: Method, stream: CallStream, headers: IncomingHttpHeaders, deps: DirectCallDeps) {
    this.method = method;
    this.stream = stream;
    this.#headers = headers;
    this.deps = deps;
    const timeout = headers["grpc-timeout"];
    const timeoutMs = typeof timeout === "string" ? parseTimeoutMs(timeout) : undefined;
    this.deadlineMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : deps.clock.nowMs() + timeoutMs;
  }

  /** http2 joins the values of a header that is repeated, which makes neither a trace nor a client id of it. */
  readonly header: HeaderReader = (name) => {
    const value = this.#headers[name];
    return typeof value === "string" ? value : value?.[0];
  };

  refuse(error: unknown): void {
    this.conclude(toServiceError(error));
  }

  /** What the callback throws ends the call's stream. */
  protected guard<Args extends unknown[]>(callback: (...args: Args) => void): (...args: Args) => void {
    return this.deps.boundary.guard(this.stream, callback);
  }

  /** False when it was refused, for being one too many. */
  protected enter(): boolean {
    const { stream } = this;
    // Node leaves a stream that its peer reset open until it was read to the end, which one that is held back never is.
    // A stream that is closed from here is aborted too, before its reset is sent: hence the turn between.
    stream.on("aborted", () => setImmediate(this.guard(() => stream.destroy())));
    stream.on("close", () => this.deps.register.end(this, status.CANCELLED));
    return this.deps.register.begin(this, this.header);
  }

  /** Of a call that was entered. */
  protected get ownSpan(): CallSpan {
    if (this.span === undefined) throw new Error("a call ran before it was entered");
    return this.span;
  }

  /** False: it is larger than may be sent, and the call has that for its status. */
  protected fits(frame: GrpcFrame): boolean {
    if (frame.bytes.length - PREFIX_BYTES <= this.deps.limits.sendMaxBytes) return true;
    frame.release();
    this.conclude(ANSWER_TOO_LARGE);
    return false;
  }

  /** Its status instead of an answer, or behind what was sent. */
  protected conclude({ code, details, metadata }: Refusal): void {
    if (!this.settle(code)) return;
    const { stream } = this;
    const trailers = {
      "grpc-status": code,
      "grpc-message": encodeURI(details),
      ...metadata?.toHttp2Headers(),
    };
    if (stream.headersSent) {
      this.finish(trailers);
      return;
    }
    stream.respond({ ...ANSWER_HEADERS, ...trailers }, { endStream: true });
    this.#leave();
  }

  /** Takes down that it has its status. False: it had one, or nobody is there to send it to. */
  protected settle(code: status): boolean {
    if (this.answered) return false;
    this.answered = true;
    this.sendingSinceMs ??= this.deps.register.nowMs();
    this.span?.end(code);
    return !(this.stream.destroyed || this.stream.closed);
  }

  /** Of a stream whose headers were sent with `waitForTrailers`. */
  protected finish(trailers: OutgoingHttpHeaders): void {
    const { stream } = this;
    stream.once("wantTrailers", () => {
      stream.sendTrailers(trailers);
      // They go out when nghttp2 asks for more, right after this: a reset now would be before them.
      setImmediate(this.guard(() => this.#leave()));
    });
    stream.end();
  }

  /** A request that has not ended would keep its stream open behind the answer (RFC 9113, section 8.1). */
  #leave(): void {
    if (!this.halfClosed) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

export function undecodable(): Error {
  return fieldInvalid("message", "one that its method takes");
}
