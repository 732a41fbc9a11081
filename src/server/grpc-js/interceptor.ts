/** The interceptor that lists every call of grpc-js in the register of open calls, and sees every status it ends with. */
import { constants } from "node:http2";
import { Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { GrpcFrame, PREFIX_BYTES } from "../../codec/framing/grpc-frame.ts";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import type { Access } from "../../security/access/access.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { ListedCall } from "../calls/call-list.ts";
import type { CallSession, ListedStream } from "../calls/http2-stream.ts";
import type { RequestBound } from "../calls/methods.ts";
import type { CallRegister } from "../calls/registry.ts";
import { toServiceError } from "../calls/service-error.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import { CALL_WORK_BYTES } from "../limits/work.ts";
import { ArrivingMessages } from "./arriving-messages.ts";
import { http2StreamOf, sendFramesAsTheyAre } from "./internals.ts";
import { type CallStatus, explainStatus } from "./status.ts";

/** The layers of grpc-js, and node:http2 below them, cost eight times as much as the call itself. */
const GRPC_JS_CALL_WORK_BYTES = 9 * CALL_WORK_BYTES;

type Method = Parameters<ServerInterceptor>[0];
type BaseCall = Parameters<ServerInterceptor>[1];
type Listener = Parameters<BaseCall["start"]>[0];

/** The span is kept on the metadata itself: a WeakMap of objects that live for one call costs the garbage collector more. */
const SPAN = Symbol("span");
const MEMORY = Symbol("memory");
const ACCESS = Symbol("access");
type Spanned = Metadata & {
  [SPAN]?: CallSpan | undefined;
  [MEMORY]?: ConnectionMemory | undefined;
  [ACCESS]?: Access | undefined;
};

function attachCall(metadata: Spanned, { span, memory, principal }: ListedCall): void {
  metadata[ACCESS] = principal?.access;
  metadata[SPAN] = span;
  metadata[MEMORY] = memory;
}

/** The memory of the connection of that call. */
export function memoryOf(metadata: Spanned): ConnectionMemory {
  const memory = metadata[MEMORY];
  if (memory === undefined) throw new Error("a handler ran outside the interceptor");
  return memory;
}

/** What the caller of that call may do. Undefined: everything. */
export function accessOf(metadata: Spanned): Access | undefined {
  return metadata[ACCESS];
}

/** The span of the call that began with this metadata. */
export function spanOf(metadata: Spanned): CallSpan {
  const span = metadata[SPAN];
  if (span === undefined) throw new Error("a handler ran outside the interceptor");
  return span;
}

/** Stands for a request that was refused before it was decoded: grpc-js would hide what its decoder throws. */
export class RefusedRequest {
  readonly error: CacheError;

  constructor(error: CacheError) {
    this.error = error;
  }
}

/** `boundOf`: of a request message, by the path of its method. Undefined: grpc-js alone bounds it. */
export function createInterceptor(
  register: CallRegister,
  boundOf: (path: string) => RequestBound | undefined,
): ServerInterceptor {
  return (method, base) => new OpenCall(method, base, register, boundOf(method.path));
}

class OpenCall extends ServerInterceptingCall implements ListedCall {
  readonly method: Method;
  /** The call of grpc-js that this one wraps. */
  readonly base: BaseCall;
  readonly streaming: boolean;
  readonly #register: CallRegister;
  span: CallSpan | undefined;
  session: CallSession | undefined;
  startedMs = 0;
  halfClosed = false;
  answered = false;
  arrivingSinceMs: number | undefined;
  sendingSinceMs: number | undefined;
  memory: ConnectionMemory | undefined;
  principal: Principal | undefined;
  readonly #arriving = new ArrivingMessages();
  #requestBytes = 0;
  #answerBytes = 0;
  /** Of the message that is being sent. */
  #sendingBytes = 0;
  older: ListedCall | undefined;
  newer: ListedCall | undefined;
  /** grpc-js watches deadlines by itself. */
  readonly deadlineMs = Number.POSITIVE_INFINITY;

  readonly #bound: RequestBound | undefined;

  constructor(method: Method, base: BaseCall, register: CallRegister, bound: RequestBound | undefined) {
    super(base);
    this.method = method;
    this.base = base;
    this.streaming = method.requestStream || method.responseStream;
    this.#register = register;
    this.#bound = bound;
    sendFramesAsTheyAre(base);
    // For undecodable messages, sizes and deadlines grpc-js sends the status itself, below every interceptor.
    const send = base.sendStatus.bind(base);
    base.sendStatus = (result) => this.#sendStatus(result, send);
  }

  override start(listener: Listener): void {
    super.start({
      onReceiveMetadata: (metadata) => {
        const admitted = this.#register.begin(this, (name) => headerOf(metadata, name));
        attachCall(metadata, this);
        this.#watch();
        if (admitted) listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => {
        if (message instanceof RefusedRequest) this.refuse(message.error);
        else listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => {
        this.halfClosed = true;
        this.#begin(listener);
      },
      onCancel: () => {
        this.#register.end(this, status.CANCELLED);
        listener.onCancel();
      },
    });
  }

  get stream(): ListedStream {
    return http2StreamOf(this.base);
  }

  refuse(error: CacheError): void {
    this.#end(toServiceError(error));
  }

  #end(result: CallStatus): void {
    this.#holdRequest(0);
    const stream = http2StreamOf(this.base);
    const hasTrailers = stream.headersSent;
    this.base.sendStatus(result);
    if (this.halfClosed) return;
    // Otherwise a request that has not ended would keep its stream open (RFC 9113, section 8.1).
    const leave = () => stream.close(constants.NGHTTP2_NO_ERROR);
    // nghttp2 sends them right after this event: a reset now would go before them.
    if (hasTrailers) stream.once("wantTrailers", () => setImmediate(leave));
    else leave();
  }

  /** Its handler has the last message of its stream, and asks for the next. Other handlers run when the request has ended. */
  override startRead(): void {
    if (this.method.requestStream) {
      this.#arriving.take();
      this.recount();
    }
    super.startRead();
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.sendingSinceMs = this.#register.nowMs();
    // The frames of streams are counted where they are queued.
    const frame = !this.streaming && message instanceof GrpcFrame ? message : undefined;
    this.#sendingBytes = message instanceof GrpcFrame ? message.heldBytes : 0;
    if (frame !== undefined) {
      this.#holdAnswer(frame.heldBytes);
      this.memory?.turns.spend(frame.bytes.length);
    }
    super.sendMessage(message, () => {
      this.sendingSinceMs = undefined;
      this.#sendingBytes = 0;
      frame?.release();
      if (frame !== undefined) this.#holdAnswer(0);
      callback();
    });
  }

  get heldBytes(): number {
    return this.#requestBytes + this.#sendingBytes;
  }

  /** Counts what arrives, and frees everything with the stream. */
  #watch(): void {
    const stream = http2StreamOf(this.base);
    stream.on("data", (chunk: Buffer) => {
      this.memory?.turns.arrived(this.memory, chunk.length);
      if (this.answered) return;
      const began = !this.#arriving.incomplete;
      this.#arriving.push(chunk);
      if (this.#isTooLarge()) return;
      if (!this.#arriving.incomplete) this.arrivingSinceMs = undefined;
      else if (began) this.arrivingSinceMs = this.#register.nowMs();
      this.#countRequest();
    });
    stream.on("close", () => {
      this.#holdRequest(0);
      this.#holdAnswer(0);
    });
  }

  /** Its handler runs at once, or in its turn, or when its peer has taken other answers. */
  #begin(listener: Listener): void {
    const { memory } = this;
    if (this.streaming || memory === undefined) {
      this.#run(listener);
      return;
    }
    const begin = (): void => {
      if (this.answered || this.stream.closed) return;
      if (isPast(this.base.getDeadline()))
        this.refuse(new CacheError("DEADLINE", "the call's deadline has passed"));
      else if (memory.admitsAnswer()) this.#run(listener);
      else memory.wait(begin);
    };
    if (memory.turns.admits(memory)) begin();
    else memory.turns.wait(memory, begin);
  }

  #run(listener: Listener): void {
    if (this.answered || this.stream.closed) return;
    if (!this.streaming) this.memory?.turns.spend(GRPC_JS_CALL_WORK_BYTES + this.#requestBytes);
    listener.onReceiveHalfClose();
    this.#holdRequest(0);
  }

  recount(): void {
    if (!this.answered) this.#countRequest();
  }

  /** By its length, before it has come; then the call is refused. grpc-js knows one bound for all methods. */
  #isTooLarge(): boolean {
    const bound = this.#bound;
    if (bound === undefined || this.#arriving.announcedBytes <= PREFIX_BYTES + bound.maxBytes) return false;
    if (bound.refusal === undefined) this.refuse(limitExceeded("receive_max_bytes", String(bound.maxBytes)));
    else this.#end({ code: bound.refusal.code, details: bound.refusal.message, metadata: new Metadata() });
    return true;
  }

  #countRequest(): void {
    const refusal = this.#holdRequest(this.#arriving.heldBytes + http2StreamOf(this.base).readableLength);
    if (refusal !== undefined) this.refuse(refusal);
  }

  /** Returns why there is no memory for so many bytes. */
  #holdRequest(bytes: number): CacheError | undefined {
    const addedBytes = bytes - this.#requestBytes;
    if (addedBytes === 0) return undefined;
    this.#requestBytes = bytes;
    this.memory?.addRequest(addedBytes);
    return addedBytes > 0 ? this.memory?.refusalOf(bytes) : undefined;
  }

  #holdAnswer(bytes: number): void {
    const addedBytes = bytes - this.#answerBytes;
    this.#answerBytes = bytes;
    if (addedBytes !== 0) this.memory?.addAnswer(addedBytes);
  }

  #sendStatus(result: CallStatus, send: (result: CallStatus) => void): void {
    const sending = this.sendingSinceMs !== undefined;
    const explained = explainStatus(result, this.#register.receiveMaxBytes, sending);
    const code = explained.code ?? status.UNKNOWN;
    this.answered = true;
    // The status waits behind a message that the peer does not take: the call stays listed, so that it is cut.
    if (sending) this.span?.end(code);
    else this.#register.end(this, code);
    send(explained);
  }
}

/** By the wall clock, as grpc-js has it. */
function isPast(deadline: Date | number): boolean {
  return Date.now() >= Number(deadline);
}

function headerOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === "string" ? value : undefined;
}
