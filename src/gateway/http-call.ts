/**
 * One call over HTTP/1.1, as the register of open calls sees it, from the headers of its request to the end of its response.
 * It ends early when the register refuses it, or its peer goes away.
 */
import type { ServerResponse } from "node:http";
import { createContextKey } from "@connectrpc/connect";
import { status } from "@grpc/grpc-js";
import type { CacheError } from "../common/errors.ts";
import type { Limits } from "../rpc/limits.ts";
import type { Principal } from "../security/identity/principal.ts";
import type { ListedCall } from "../server/calls/call-list.ts";
import { type CallContext, CLIENT_ID_HEADER, toContext } from "../server/calls/handler.ts";
import type { CallSession, ListedStream } from "../server/calls/http2-stream.ts";
import type { CallRegister, HeaderReader } from "../server/calls/registry.ts";
import type { ConnectionMemory } from "../server/limits/connection-memory.ts";
import { CALL_WORK_BYTES } from "../server/limits/work.ts";
import type { CallSpan } from "../telemetry/telemetry.ts";
import { peerGone, toConnectError } from "./connect-error.ts";

/** The call that a handler of the Connect library serves. */
export const CALL = createContextKey<HttpCall | undefined>(undefined, { description: "the open call" });

export interface HttpMethod {
  /** "/meshcache.v1.CacheService/Get". */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export class HttpCall implements ListedCall {
  readonly method: HttpMethod;
  readonly streaming: boolean;
  readonly stream: ListedStream;
  /** The Connect library watches deadlines. */
  readonly deadlineMs = Number.POSITIVE_INFINITY;
  readonly arrivingSinceMs = undefined;
  readonly #register: CallRegister;
  readonly #header: HeaderReader;
  readonly #early = Promise.withResolvers<never>();
  span: CallSpan | undefined;
  session: CallSession | undefined;
  startedMs = 0;
  halfClosed = false;
  answered = false;
  sendingSinceMs: number | undefined;
  memory: ConnectionMemory | undefined;
  principal: Principal | undefined;
  older: ListedCall | undefined;
  newer: ListedCall | undefined;
  /** Why it ended early. */
  refusal: CacheError | undefined;
  /** It is in the register. */
  listed = false;
  /** It was made by an HTTP GET. */
  isGet = false;
  /** Its request, while nobody has decoded it. */
  unread: Uint8Array | undefined;
  #code: number | undefined;
  #requestBytes = 0;
  #answerBytes = 0;

  constructor(
    method: HttpMethod,
    session: CallSession,
    response: ServerResponse,
    register: CallRegister,
    header: HeaderReader,
  ) {
    this.method = method;
    this.streaming = method.requestStream || method.responseStream;
    this.stream = new ResponseStream(session, response);
    this.#register = register;
    this.#header = header;
    // Nobody may wait for it.
    this.#early.promise.catch(() => {});
  }

  /** Lists it. Throws the error that it is refused with. */
  begin(): void {
    this.listed = true;
    if (!this.#register.begin(this, this.#header)) throw toConnectError(this.refusal);
  }

  refuse(error: CacheError): void {
    if (this.refusal !== undefined) return;
    this.refusal = error;
    this.#early.reject(toConnectError(error));
  }

  /** The result of `work`, or the error that the call ends with before. */
  orEnd<Result>(work: Promise<Result>): Promise<Result> {
    return Promise.race([work, this.#early.promise]);
  }

  /** Calls `run` when the call ends early, now if it has. */
  whenEnded(run: () => void): void {
    this.#early.promise.catch(run);
  }

  /** Resolves when its handler may run: in its turn, and when there is memory for its answer. */
  turn(): Promise<void> {
    const memory = this.connectionMemory;
    return new Promise((resolve) => {
      const begin = (): void => {
        if (this.refusal !== undefined) return;
        if (memory.admitsAnswer()) {
          memory.turns.spend(CALL_WORK_BYTES + this.#requestBytes);
          resolve();
        } else memory.wait(begin);
      };
      memory.turns.runOrWait(memory, begin);
    });
  }

  /** Throws FIELD_INVALID. */
  context(limits: Limits, readOnly: boolean): CallContext {
    if (this.span === undefined) throw new Error("a call ran before it was listed");
    const clientId = this.#header(CLIENT_ID_HEADER) ?? "";
    const access = this.principal?.access;
    // Its response is encoded when its promise has resolved.
    const context = toContext(this.span, clientId, limits, this.connectionMemory, access, false);
    return readOnly ? { ...context, readOnly: true } : context;
  }

  get connectionMemory(): ConnectionMemory {
    if (this.memory === undefined) throw new Error("a call ran before it was listed");
    return this.memory;
  }

  get heldBytes(): number {
    return this.#requestBytes + this.#answerBytes;
  }

  /** Its request is read as it comes. */
  recount(): void {}

  /** Its request holds so many bytes. Throws when there is no memory for them. */
  holdRequest(bytes: number): void {
    const addedBytes = bytes - this.#requestBytes;
    this.#requestBytes = bytes;
    this.memory?.addRequest(addedBytes);
    const refusal = addedBytes > 0 ? this.memory?.refusalOf(bytes) : undefined;
    if (refusal === undefined) return;
    this.refuse(refusal);
    throw toConnectError(refusal);
  }

  /** So many bytes are on their way to the peer. 0: it has taken all. */
  holdAnswer(bytes: number): void {
    this.memory?.addAnswer(bytes - this.#answerBytes);
    if (bytes > 0) this.memory?.turns.spend(bytes);
    this.#answerBytes = bytes;
    this.sendingSinceMs = bytes > 0 ? this.#register.nowMs() : undefined;
  }

  /** Its gRPC status is known. The first one stands. */
  conclude(code: number): void {
    this.#code ??= code;
    this.answered = true;
  }

  /** The response is over. `whole`: the peer has it. */
  closed(whole: boolean): void {
    this.holdRequest(0);
    this.holdAnswer(0);
    if (!whole) this.refuse(peerGone());
    if (this.listed) this.#register.end(this, whole ? (this.#code ?? status.OK) : status.CANCELLED);
  }
}

class ResponseStream implements ListedStream {
  readonly session: CallSession;
  readonly #response: ServerResponse;

  constructor(session: CallSession, response: ServerResponse) {
    this.session = session;
    this.#response = response;
  }

  get closed(): boolean {
    return this.#response.closed;
  }

  /** What was sent in part cannot be taken back: the connection ends with it. */
  close(): void {
    this.session.destroy();
  }

  destroy(): void {
    this.session.destroy();
  }
}
