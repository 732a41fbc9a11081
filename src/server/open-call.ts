/** One call as the server's own interceptor sees it: what it waits for, and every status that it ends with. */
import type { ServerHttp2Session } from "node:http2";
import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import type { CallSpan } from "../telemetry/telemetry.ts";
import { sendFramesAsTheyAre } from "./grpc-internals.ts";
import { type CallStatus, explainStatus } from "./grpc-status.ts";

type Method = Parameters<ServerInterceptor>[0];
type BaseCall = Parameters<ServerInterceptor>[1];
type Listener = Parameters<BaseCall["start"]>[0];

/** Where calls are listed from their metadata to their end. */
export interface CallRegister {
  readonly receiveMaxBytes: number;
  nowMs(): number;
  /** False when the call was refused. */
  begin(call: OpenCall, metadata: Metadata): boolean;
  /** The call has its status and is over for its handler. */
  end(call: OpenCall, code: status): void;
}

export class OpenCall extends ServerInterceptingCall {
  readonly method: Method;
  /** grpc-js's own call, below this one. */
  readonly base: BaseCall;
  readonly streaming: boolean;
  /** Handlers that are not ours know no backpressure: they are given a request once their answer was taken. */
  readonly #lockstep: boolean;
  readonly #register: CallRegister;
  span: CallSpan | undefined;
  session: ServerHttp2Session | undefined;
  startedMs = 0;
  halfClosed = false;
  /** It has its status, which may still wait behind a message. */
  answered = false;
  /** Since when a message waits for the peer to take it. */
  sendingSinceMs: number | undefined;
  /** Its neighbours among the open calls. */
  older: OpenCall | undefined;
  newer: OpenCall | undefined;
  #readWanted = false;

  constructor(method: Method, base: BaseCall, register: CallRegister) {
    super(base);
    this.method = method;
    this.base = base;
    this.streaming = method.requestStream || method.responseStream;
    this.#lockstep = method.requestStream && isCompanion(method);
    this.#register = register;
    if (method.responseStream && !isCompanion(method)) sendFramesAsTheyAre(base);
    // Of undecodable messages, sizes and deadlines grpc-js gives the status itself, below every interceptor.
    const send = base.sendStatus.bind(base);
    base.sendStatus = (result) => this.#sendStatus(result, send);
  }

  override start(listener: Listener): void {
    super.start({
      onReceiveMetadata: (metadata) => {
        if (this.#register.begin(this, metadata)) listener.onReceiveMetadata(metadata);
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

  override sendMessage(message: unknown, callback: () => void): void {
    this.sendingSinceMs = this.#register.nowMs();
    super.sendMessage(message, () => {
      this.sendingSinceMs = undefined;
      callback();
      if (this.#readWanted) this.startRead();
    });
  }

  override startRead(): void {
    this.#readWanted = this.#lockstep && this.sendingSinceMs !== undefined;
    if (!this.#readWanted) super.startRead();
  }

  #sendStatus(result: CallStatus, send: (result: CallStatus) => void): void {
    const sending = this.sendingSinceMs !== undefined;
    const explained = explainStatus(result, this.#register.receiveMaxBytes, sending);
    const code = explained.code ?? status.UNKNOWN;
    this.answered = true;
    // Behind a message that nobody takes the status waits too: the call stays listed, so that it is cut.
    if (sending) this.span?.end(code);
    else this.#register.end(this, code);
    send(explained);
  }
}

/** A method of a service that comes with gRPC, whose handlers are not ours. */
export function isCompanion(method: { readonly path: string }): boolean {
  return method.path.startsWith("/grpc.");
}
