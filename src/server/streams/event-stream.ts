/** The Stream method: the events of one namespace, for any client that can read a server stream. */
import { create } from "@bufbuild/protobuf";
import {
  DrainingSchema,
  type StreamRequest,
  type StreamResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { encodeStreamResponse } from "../../codec/event-frames.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import { toLimitsMessage } from "../../rpc/limits-message.ts";
import { toFailure } from "../../rpc/remote-operations.ts";
import { fromSelectors } from "../../rpc/subscription.ts";
import { checkCursor } from "../../rpc/validate.ts";
import { type Access, NEEDS, requireAccess, requireRoom } from "../../security/access/access.ts";
import type { Backend, Pending } from "../../store/api/backend.ts";
import type { Selector } from "../../store/api/store.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { CallContext, Cancel } from "../calls/handler.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import { createEventFeed, type EventFeed } from "./event-feed.ts";
import { createSendQueue, type SendQueue } from "./send-queue.ts";
import type { DrainableStream, StreamDescription, StreamRegistry } from "./stream-registry.ts";
import { deferOnce } from "./turn-scheduler.ts";

export interface StreamDeps {
  readonly store: Backend;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly streams: StreamRegistry;
}

/** Throws DRAINING, FIELD_INVALID for the request, PERMISSION_DENIED, or LIMIT_EXCEEDED. Returns what the end of the call has to run. */
export function openStream(
  call: StreamingCall,
  request: StreamRequest,
  { access, clientId }: Pick<CallContext, "access" | "clientId">,
  deps: StreamDeps,
): Cancel {
  if (deps.streams.draining) throw new CacheError("DRAINING", "the server is shutting down");
  const selectors = fromSelectors([request], deps.limits);
  requireAccess(access, request.namespace, NEEDS.subscribe);
  requireRoom(access);
  const stream = new EventStream(call, request, selectors, { access, clientId }, deps);
  stream.open();
  return () => stream.close();
}

class EventStream implements DrainableStream {
  readonly #namespace: string;
  readonly #access: Access | undefined;
  readonly #clientId: string;
  readonly #selectors: readonly Selector[];
  readonly #call: StreamingCall;
  readonly #deps: StreamDeps;
  readonly #cursor: Uint8Array;
  /** Undefined: its position is not known yet. */
  #feed: EventFeed | undefined;
  /** Of the store, until everything is there that was acknowledged before. */
  #barrier: Pending | undefined;
  readonly #queue: SendQueue;
  readonly #sendLater: () => void;
  readonly #sendFrame = (frame: StreamResponse["frame"]): boolean => this.#send(frame);
  #progressTimer: Timer | undefined;
  #sequence = 0n;
  #writable = true;
  #closed = false;

  constructor(
    call: StreamingCall,
    { namespace, cursor }: StreamRequest,
    selectors: readonly Selector[],
    { access, clientId }: Pick<CallContext, "access" | "clientId">,
    deps: StreamDeps,
  ) {
    this.#namespace = namespace;
    this.#access = access;
    this.#clientId = clientId;
    const { limits, streams } = deps;
    this.#selectors = selectors;
    this.#call = call;
    this.#deps = deps;
    this.#sendLater = deferOnce(streams.defer, () => this.#sendPending());
    this.#cursor = checkCursor(cursor, limits);
    this.#queue = createSendQueue(
      call,
      streams.limits.queueMaxBytes,
      streams.budget,
      () => {
        this.#writable = true;
        this.#sendLater();
      },
      (bound) => {
        streams.overflows[bound] += 1;
      },
    );
  }

  open(): void {
    this.#deps.streams.open.add(this);
    this.#afterBarrier(() => this.#begin());
  }

  drain(): void {
    this.#send({ case: "draining", value: create(DrainingSchema) });
  }

  end(error: CacheError): void {
    this.#call.end(error);
  }

  denial(): CacheError | undefined {
    const access = this.#access;
    if (access === undefined || access.permits(this.#namespace, NEEDS.subscribe)) return undefined;
    return access.deny(NEEDS.subscribe, this.#namespace);
  }

  describe(): StreamDescription {
    return {
      connection: this.#call.connectionMemory,
      method: "Stream",
      clientId: this.#clientId,
      library: "",
      libraryVersion: "",
      selectors: this.#selectors,
      lagEvents: this.#feed?.subscriber.lag() ?? 0,
      overruns: this.#feed?.overruns ?? 0,
    };
  }

  /** The call is over. */
  close(): void {
    const { streams } = this.#deps;
    this.#closed = true;
    this.#barrier?.cancel();
    this.#progressTimer?.cancel();
    this.#queue.close();
    streams.open.delete(this);
    if (this.#feed === undefined) return;
    streams.subscribers.delete(this.#feed.subscriber);
    this.#feed.subscriber.close();
  }

  /** Throws FIELD_INVALID for the cursor. */
  #begin(): void {
    const { store, limits, streams } = this.#deps;
    const feedLimits = { ...streams.limits, openedLimits: toLimitsMessage({ ...limits, ...streams.limits }) };
    const feed = createEventFeed(store, this.#selectors, this.#cursor, feedLimits, this.#sendLater);
    this.#feed = feed;
    streams.subscribers.add(feed.subscriber);
    this.#scheduleProgress();
    this.#send(feed.opened());
    this.#sendPending();
  }

  /** Throws what `run` throws if it runs at once; otherwise that ends the call. */
  #afterBarrier(run: () => void): void {
    const { store, streams } = this.#deps;
    if (store.remote === undefined) {
      run();
      return;
    }
    this.#barrier = store.barrier(
      streams.boundary.guard(undefined, (error) => {
        this.#barrier = undefined;
        try {
          if (error instanceof Error) throw error;
          run();
        } catch (failure) {
          this.end(toFailure(failure));
        }
      }),
    );
  }

  #scheduleProgress(): void {
    const { clock, streams } = this.#deps;
    const sendProgress = streams.boundary.guard(undefined, () => {
      // First: sending may end the call, and `close()` then cancels this timer.
      this.#progressTimer = clock.schedule(streams.limits.progressIntervalMs, sendProgress);
      if (this.#barrier === undefined) this.#afterBarrier(() => this.#sendPending(true));
    });
    this.#progressTimer = clock.schedule(streams.limits.progressIntervalMs, sendProgress);
  }

  /** Sends pending events, and then a Progress if `withProgress`. An error becomes the status of the call. */
  #sendPending(withProgress = false): void {
    const feed = this.#feed;
    if (!this.#writable || this.#closed || feed === undefined) return;
    this.#writable = this.#queue.ready();
    if (!this.#writable) return;
    try {
      const state = feed.sendPending(this.#sendFrame);
      if (state === "later") this.#sendLater();
      else if (state === "caughtUp" && withProgress) this.#send(feed.progress(0n));
    } catch (error) {
      this.#deps.telemetry.logger.error({ err: error }, "a stream failed");
      this.end(new CacheError("INTERNAL", "internal error", {}, { cause: error }));
    }
  }

  #send(frame: StreamResponse["frame"]): boolean {
    this.#sequence += 1n;
    const sequence = this.#sequence;
    const encoded = encodeStreamResponse({ $typeName: "meshcache.v1.StreamResponse", frame, sequence });
    this.#call.connectionMemory.turns.spend(encoded.bytes.length);
    this.#writable = this.#queue.send(encoded);
    return this.#writable;
  }
}
