/** One call of a cached method in a client of grpc-js: answered from the cache, by a load that others share, or by the service. */
import type { EventEmitter } from "node:events";
import {
  InterceptingCall,
  type InterceptingListener,
  type InterceptorOptions,
  Metadata,
  type NextCall,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import { systemClock, type Timer } from "../../common/clock.ts";
import type { Answer } from "../answer.ts";
import { type AnswerSource, markSpan } from "../answer-source.ts";
import type { ReadRule } from "../options/read-rule.ts";
import type { KeyedCall, ResponseCache, SourcedAnswer } from "../response-cache.ts";
import type { SerializeResponse } from "./client-interceptor.ts";
import { remainingMs } from "./deadline.ts";
import { toCallMetadata, toMetadata, withMark } from "./metadata.ts";
import { callService, type Received, toAnswer } from "./service-call.ts";

type NextInterceptingCall = ConstructorParameters<typeof InterceptingCall>[0];
type MessageContext = Parameters<NextInterceptingCall["sendMessageWithContext"]>[0];

/** What all calls of a method share. */
export interface CachedMethod {
  readonly responses: ResponseCache;
  readonly rule: ReadRule;
  readonly serialize: SerializeResponse;
  /** The channel has credentials. */
  readonly hidden: boolean;
}

/** Everything that would lead to it is overridden. */
const NOWHERE = {} as NextInterceptingCall;

/** It is what grpc-js calls, and not what an InterceptingCall leads to: that binds three listeners for each call. */
export class CachedCall extends InterceptingCall {
  readonly #method: CachedMethod;
  readonly #callOptions: InterceptorOptions;
  readonly #nextCall: NextCall;
  #metadata: Metadata | undefined;
  #listener: Partial<InterceptingListener> | undefined;
  #message: unknown;
  #context: MessageContext | undefined;
  #isOver = false;
  #timer: Timer | undefined;
  /** Stops listening to the call that this one is part of. */
  #leaveParent: (() => void) | undefined;
  /** The call to the service, where this is not answered from the cache. */
  #direct: NextInterceptingCall | undefined;

  constructor(method: CachedMethod, callOptions: InterceptorOptions, nextCall: NextCall) {
    super(NOWHERE);
    this.#method = method;
    this.#callOptions = callOptions;
    this.#nextCall = nextCall;
  }

  override start(metadata: Metadata, listener?: Partial<InterceptingListener>): void {
    this.#metadata = metadata;
    this.#listener = listener;
  }

  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#context = context;
    this.#message = message;
  }

  override sendMessage(message: unknown): void {
    this.#message = message;
  }

  /** grpc-js reads the one message of a unary call without being asked. */
  override startRead(): void {
    this.#direct?.startRead();
  }

  override halfClose(): void {
    const keyed = this.#key();
    if (keyed === undefined) {
      this.#callDirectly();
      return;
    }
    const near = this.#method.responses.near(keyed);
    // Its caller listens only once the call was begun.
    if (near !== undefined) queueMicrotask(() => this.#answer(near, "near"));
    else this.#read(keyed);
  }

  override cancelWithStatus(code: status, details: string): void {
    if (this.#direct !== undefined) this.#direct.cancelWithStatus(code, details);
    else
      queueMicrotask(() => this.#end(new Metadata(), undefined, { code, details, metadata: new Metadata() }));
  }

  override getPeer(): string {
    return this.#direct?.getPeer() ?? "meshcache";
  }

  override getAuthContext(): ReturnType<NextInterceptingCall["getAuthContext"]> {
    return this.#direct?.getAuthContext() ?? null;
  }

  #key(): KeyedCall | undefined {
    const { responses, rule, hidden } = this.#method;
    const callOptions = this.#callOptions;
    const metadata = this.#metadata;
    // An authority of its own may lead it to another service.
    if (metadata === undefined || callOptions.host !== undefined) return undefined;
    let request: Uint8Array;
    try {
      request = callOptions.method_definition.requestSerialize(this.#message);
    } catch {
      // The call itself says what is wrong with the request.
      return undefined;
    }
    const other = hidden || callOptions.credentials !== undefined ? "hidden" : undefined;
    return responses.keyOf(rule, request, toCallMetadata(metadata), other);
  }

  #read(keyed: KeyedCall): void {
    const { responses } = this.#method;
    const callOptions = this.#callOptions;
    const waitMs = remainingMs(callOptions);
    if (waitMs !== Number.POSITIVE_INFINITY) {
      const expire = () => this.cancelWithStatus(status.DEADLINE_EXCEEDED, "Deadline exceeded");
      this.#timer = systemClock.schedule(Math.min(Math.max(0, waitMs), 2 ** 31 - 1), expire, true);
    }
    this.#followParent();
    let received: Received | undefined;
    const load = async (signal: AbortSignal) => {
      received = await callService(this.#nextCall, callOptions, {
        metadata: this.#metadata?.clone() ?? new Metadata(),
        message: this.#message,
        timeoutMs: responses.loadTimeoutMs,
        signal,
      });
      return toAnswer(received, this.#method.serialize);
    };
    responses.read(keyed, load).then(
      (sourced) => this.#answerRead(sourced, received),
      () => this.#callDirectly(),
    );
  }

  #followParent(): void {
    const parent: EventEmitter | undefined = this.#callOptions.parent;
    if (parent === undefined) return;
    const cancel = () => this.cancelWithStatus(status.CANCELLED, "Cancelled by parent call");
    parent.once("cancelled", cancel);
    this.#leaveParent = () => parent.off("cancelled", cancel);
  }

  #answerRead(sourced: SourcedAnswer | undefined, received: Received | undefined): void {
    if (sourced === undefined) this.#callDirectly();
    else if (sourced.isOwn && received !== undefined) {
      markSpan(sourced.source);
      this.#end(withMark(received.metadata, sourced.source), received.message, received.status);
    } else this.#answer(sourced.answer, sourced.source);
  }

  #answer({ code, details, message, metadata, trailers }: Answer, source: AnswerSource): void {
    markSpan(source);
    let decoded: unknown;
    try {
      const bytes = message as Buffer | undefined;
      decoded = bytes && this.#callOptions.method_definition.responseDeserialize(bytes);
    } catch {
      // It was stored by another version of the service, or by somebody else.
      this.#callDirectly();
      return;
    }
    this.#end(toMetadata(metadata, source), decoded, { code, details, metadata: toMetadata(trailers) });
  }

  #end(metadata: Metadata, message: unknown, end: StatusObject): void {
    if (!this.#finish()) return;
    this.#listener?.onReceiveMetadata?.(metadata);
    if (message !== undefined) this.#listener?.onReceiveMessage?.(message);
    this.#listener?.onReceiveStatus?.(end);
  }

  /** False: it has ended before. */
  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#leaveParent?.();
    return true;
  }

  /** As without a cache. */
  #callDirectly(): void {
    const metadata = this.#metadata;
    if (metadata === undefined || !this.#finish()) return;
    const direct = this.#nextCall(this.#callOptions);
    this.#direct = direct;
    direct.start(metadata, this.#listener);
    direct.sendMessageWithContext(this.#context ?? {}, this.#message);
    direct.halfClose();
  }
}
