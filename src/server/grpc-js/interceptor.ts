/** The interceptor that lists every call of grpc-js in the register of open calls, and sees every status it ends with. */
import { constants } from "node:http2";
import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import type { CacheError } from "../../common/errors.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { ListedCall } from "../calls/call-list.ts";
import type { CallSession, ListedStream } from "../calls/http2-stream.ts";
import type { CallRegister } from "../calls/registry.ts";
import { toServiceError } from "../calls/service-error.ts";
import { http2StreamOf, sendFramesAsTheyAre } from "./internals.ts";
import { type CallStatus, explainStatus } from "./status.ts";

type Method = Parameters<ServerInterceptor>[0];
type BaseCall = Parameters<ServerInterceptor>[1];
type Listener = Parameters<BaseCall["start"]>[0];

/** The span is kept on the metadata itself: a WeakMap of objects that live for one call costs the garbage collector more. */
const SPAN = Symbol("span");
type Spanned = Metadata & { [SPAN]?: CallSpan | undefined };

function attachSpan(metadata: Spanned, span: CallSpan | undefined): void {
  metadata[SPAN] = span;
}

/** The span of the call that began with this metadata. */
export function spanOf(metadata: Spanned): CallSpan {
  const span = metadata[SPAN];
  if (span === undefined) throw new Error("a handler ran outside the interceptor");
  return span;
}

export function createInterceptor(register: CallRegister): ServerInterceptor {
  return (method, base) => new OpenCall(method, base, register);
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
  sendingSinceMs: number | undefined;
  older: ListedCall | undefined;
  newer: ListedCall | undefined;
  /** grpc-js watches deadlines by itself. */
  readonly deadlineMs = Number.POSITIVE_INFINITY;

  constructor(method: Method, base: BaseCall, register: CallRegister) {
    super(base);
    this.method = method;
    this.base = base;
    this.streaming = method.requestStream || method.responseStream;
    this.#register = register;
    if (method.responseStream) sendFramesAsTheyAre(base);
    // For undecodable messages, sizes and deadlines grpc-js sends the status itself, below every interceptor.
    const send = base.sendStatus.bind(base);
    base.sendStatus = (result) => this.#sendStatus(result, send);
  }

  override start(listener: Listener): void {
    super.start({
      onReceiveMetadata: (metadata) => {
        const admitted = this.#register.begin(this, (name) => headerOf(metadata, name));
        attachSpan(metadata, this.span);
        if (admitted) listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => {
        this.halfClosed = true;
        listener.onReceiveHalfClose();
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
    this.base.sendStatus(toServiceError(error));
    // Otherwise a request that has not ended would keep its stream open (RFC 9113, section 8.1).
    if (!this.halfClosed) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.sendingSinceMs = this.#register.nowMs();
    super.sendMessage(message, () => {
      this.sendingSinceMs = undefined;
      callback();
    });
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

function headerOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === "string" ? value : undefined;
}
