/** The base of calls that are served without grpc-js: their headers, their place in the register, and their status. */

import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { setImmediate } from "node:timers";
import { type Metadata, status } from "@grpc/grpc-js";
import { type GrpcFrame, PREFIX_BYTES } from "../../codec/framing/grpc-frame.ts";
import type { NoPromise } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { CacheError } from "../../common/errors.ts";
import { COPIED_MAX_BYTES } from "../../http2/frame-writer.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { ListedCall } from "../calls/call-list.ts";
import { parseTimeoutMs } from "../calls/grpc-timeout.ts";
import {
  type CallContext,
  CLIENT_ID_HEADER,
  failureOf,
  type HandlerDeps,
  toContext,
} from "../calls/handler.ts";
import type { OwnStream, StreamReader } from "../calls/http2-stream.ts";
import type { CallRegister } from "../calls/registry.ts";
import { toServiceError } from "../calls/service-error.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import { ERROR_WORK_BYTES } from "../limits/work.ts";

export interface FastCallDeps extends HandlerDeps {
  readonly register: CallRegister;
  readonly clock: Clock;
}

/** The name and kind of a method. */
export interface MethodKind {
  readonly path: string;
  readonly requestStream: boolean;
  /** Of one request message. */
  readonly requestMaxBytes: number;
}

export interface Refusal {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** Frozen: their header block is made once. */
export const ANSWER_HEADERS: OutgoingHttpHeaders = Object.freeze({
  ":status": 200,
  "content-type": "application/grpc+proto",
});
export const OK_TRAILERS: OutgoingHttpHeaders = Object.freeze({ "grpc-status": status.OK });

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

export abstract class FastCall<Method extends MethodKind> implements ListedCall, StreamReader {
  readonly method: Method;
  readonly stream: OwnStream;
  abstract readonly streaming: boolean;
  abstract recount(): void;
  protected readonly deps: FastCallDeps;
  readonly #clientId: string;
  readonly deadlineMs: number;
  span: CallSpan | undefined;
  session: ListedCall["session"];
  startedMs = 0;
  halfClosed = false;
  answered = false;
  arrivingSinceMs: number | undefined;
  sendingSinceMs: number | undefined;
  memory: ConnectionMemory | undefined;
  principal: Principal | undefined;
  #trailers = OK_TRAILERS;
  #requestBytes = 0;
  #answerBytes = 0;
  /** Of its answers, what its socket still reads behind the end of its stream. */
  #cutBytes = 0;
  older: ListedCall | undefined;
  newer: ListedCall | undefined;

  constructor(method: Method, stream: OwnStream, headers: IncomingHttpHeaders, deps: FastCallDeps) {
    this.method = method;
    this.stream = stream;
    this.deps = deps;
    this.#clientId = firstOf(headers, CLIENT_ID_HEADER) ?? "";
    const timeout = headers["grpc-timeout"];
    const timeoutMs = typeof timeout === "string" ? parseTimeoutMs(timeout) : undefined;
    this.deadlineMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : deps.clock.nowMs() + timeoutMs;
  }

  refuse(error: CacheError): void {
    this.conclude(toServiceError(error));
  }

  /** Ends it with the status for what its handler threw. */
  protected fail(error: unknown): void {
    this.conclude(failureOf(error, this.#ownSpan, this.deps.telemetry));
  }

  /** Somebody waits for its answer. */
  get open(): boolean {
    return !(this.answered || this.stream.destroyed || this.stream.closed);
  }

  /** Throws FIELD_INVALID. */
  protected context(): CallContext {
    return toContext(
      this.#ownSpan,
      this.#clientId,
      this.deps.limits,
      this.connectionMemory,
      this.principal?.access,
      true,
    );
  }

  /** What the callback throws destroys the stream of the call. */
  protected guard<Args extends unknown[], Result>(
    callback: (...args: Args) => NoPromise<Result>,
  ): (...args: Args) => void {
    return this.deps.boundary.guard(this.stream, callback);
  }

  /**
   * Lists it in the register. False: it was refused, since its connection has too many streams. Keeps none of its headers: each
   * value is a string outside of the heap, which lives as long as it is referred to.
   */
  protected enter(headers: IncomingHttpHeaders): boolean {
    this.stream.readBy(this);
    return this.deps.register.begin(this, (name) => firstOf(headers, name));
  }

  abstract dataCame(chunk: Buffer): void;
  abstract requestEnded(): void;

  streamClosed(): void {
    this.holdRequest(0);
    const bytes = this.#answerBytes;
    this.freeAnswer();
    this.cutOff(bytes);
    this.deps.register.end(this, status.CANCELLED);
  }

  trailersWanted(): void {
    this.stream.sendTrailers(this.#trailers);
    // A reset now would go before them.
    if (!this.halfClosed) setImmediate(this.guard(() => this.#leave()));
  }

  /** That of its connection, which the register has given it. */
  get connectionMemory(): ConnectionMemory {
    if (this.memory === undefined) throw new Error("a call ran before it was entered");
    return this.memory;
  }

  get heldBytes(): number {
    return this.#requestBytes + this.#answerBytes;
  }

  /** Bytes of its request have come. */
  protected arrived(bytes: number): void {
    this.memory?.turns.arrived(this.memory, bytes);
  }

  /** Its request holds so many bytes now. False: there is no memory for them, and the call was refused. */
  protected holdRequest(bytes: number): boolean {
    const addedBytes = bytes - this.#requestBytes;
    if (addedBytes === 0) return true;
    this.#requestBytes = bytes;
    this.memory?.addRequest(addedBytes);
    if (addedBytes < 0) return true;
    const refusal = this.memory?.refusalOf(bytes);
    if (refusal === undefined) return true;
    this.refuse(refusal);
    return false;
  }

  /** Its answer holds so many bytes, until `freeAnswer` or the end of its stream. */
  protected holdAnswer(bytes: number): void {
    this.#answerBytes = bytes;
    this.memory?.addAnswer(bytes);
  }

  protected freeAnswer(): void {
    const bytes = this.#answerBytes;
    if (bytes === 0) return;
    this.#answerBytes = 0;
    this.memory?.addAnswer(-bytes);
  }

  /** Its stream is over, and its socket still reads so many bytes of its answers, until `written`. It has a copy of small ones. */
  protected cutOff(bytes: number): void {
    if (bytes > COPIED_MAX_BYTES) this.#addCut(bytes);
  }

  /** Its socket does not read an answer any more. */
  protected written(bytes: number): void {
    if (this.#cutBytes > 0) this.#addCut(-Math.min(bytes, this.#cutBytes));
  }

  #addCut(bytes: number): void {
    const { session } = this.stream;
    this.#cutBytes += bytes;
    this.memory?.addUnread(bytes);
    if (session !== undefined) this.deps.register.cutOff(session, this.memory?.principal, bytes);
  }

  /** The span, which the register has started. */
  get #ownSpan(): CallSpan {
    if (this.span === undefined) throw new Error("a call ran before it was entered");
    return this.span;
  }

  /** False: the frame is larger than may be sent, and the call has its status for that. */
  protected fits(frame: GrpcFrame): boolean {
    if (frame.bytes.length - PREFIX_BYTES <= this.deps.limits.sendMaxBytes) return true;
    frame.release();
    this.conclude(ANSWER_TOO_LARGE);
    return false;
  }

  /** Sends a status instead of an answer, or behind the frames that were sent. */
  protected conclude({ code, details, metadata }: Refusal): void {
    if (!this.setStatus(code)) return;
    this.memory?.turns.spend(ERROR_WORK_BYTES);
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

  /** False: it had a status already, or its stream is gone. */
  protected setStatus(code: status): boolean {
    if (this.answered) return false;
    this.answered = true;
    this.sendingSinceMs ??= this.deps.register.nowMs();
    this.span?.end(code);
    return !(this.stream.destroyed || this.stream.closed);
  }

  /** Ends a stream whose headers were sent with `waitForTrailers`. */
  protected finish(trailers: OutgoingHttpHeaders): void {
    this.#trailers = trailers;
    this.stream.end();
  }

  /** Otherwise a request that has not ended would keep its stream open (RFC 9113, section 8.1). */
  #leave(): void {
    if (!this.halfClosed) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

/** node:http2 joins the values of a repeated header, and the result is neither a valid trace nor a valid client id. */
function firstOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}
