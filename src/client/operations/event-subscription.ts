/** The events of a namespace as an async iterable. Its queue is bounded: an overflow becomes a gap. */
import type { Event, Gap } from "../../../gen/meshcache/v1/cache_pb.ts";
import { Event_Kind, Gap_Reason } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../common/errors.ts";
import { Fifo } from "../../common/fifo.ts";
import type { GapCause } from "../api/client-events.ts";
import { optionNames } from "../api/option-names.ts";
import type { Change } from "../coherence/coherence.ts";
import type { InvalidationListener } from "../coherence/invalidation-bus.ts";
import type { LocalSubscription } from "../coherence/subscription-set.ts";
import type { CallOptions } from "./runner.ts";
import { WideChanges } from "./wide-changes.ts";

export type ChangeKind = "set" | "invalidated" | "staled" | "touched";

export type CacheEvent =
  | {
      readonly kind: ChangeKind;
      readonly target: Change["target"];
      /** The key, tag or prefix; empty for "all". */
      readonly name: string;
      /** Of a tag, a prefix or the namespace: the shard that applied it last. */
      readonly shard: number;
      readonly revision: number;
      /** The client id of the writer. Empty: unknown. */
      readonly origin: string;
      /** W3C traceparent of the span of the writer. Empty: not sampled. */
      readonly traceparent: string;
    }
  /** Events may have been missed. "overrun": the connection or this reader was too slow. */
  | { readonly kind: "gap"; readonly cause: GapCause };

export interface SubscribeOptions extends Pick<CallOptions, "signal"> {
  /** Only events of keys with one of these prefixes, and of all tags. Default: the whole namespace. */
  readonly prefixes?: readonly string[];
  /** How many events may wait for the reader. An overflow replaces them by one gap. 1 to 1,048,576; default 4,096. */
  readonly queueMaxEvents?: number;
}

export const SUBSCRIBE_OPTIONS = optionNames<SubscribeOptions>({
  signal: true,
  prefixes: true,
  queueMaxEvents: true,
});

/** Has one reader. Leaving the loop, `close`, or the end of an `await using` scope ends it. */
export interface EventSubscription extends AsyncIterable<CacheEvent>, AsyncDisposable {
  /** Resolves when the subscription is live: every later event is delivered. Rejects when it is closed before. */
  readonly isLive: Promise<void>;
  close(): void;
}

const KINDS: Partial<Record<number, ChangeKind>> = {
  [Event_Kind.SET]: "set",
  [Event_Kind.INVALIDATED]: "invalidated",
  [Event_Kind.STALED]: "staled",
  [Event_Kind.TOUCHED]: "touched",
};
const CAUSES: Partial<Record<number, GapCause>> = {
  [Gap_Reason.CURSOR_EXPIRED]: "cursorExpired",
  [Gap_Reason.EPOCH_CHANGED]: "epochChanged",
  [Gap_Reason.CURSOR_AHEAD]: "cursorAhead",
  [Gap_Reason.OVERRUN]: "overrun",
};

export function gapCauseOf({ reason }: Gap): GapCause {
  return CAUSES[reason] ?? "unknown";
}

/** What the queue tells the client, and asks it. */
export interface EventQueueObserver {
  /** How many shards the server's store has. 0: not known. */
  shards(): number;
  closed(queue: EventQueue): void;
  /** Events were dropped, and the reader gets a gap. */
  overran(): void;
}

export class EventQueue implements InvalidationListener, LocalSubscription, EventSubscription {
  readonly namespace: string;
  readonly prefixes: readonly string[];
  readonly isLive: Promise<void>;
  readonly #queueMaxEvents: number;
  readonly #observer: EventQueueObserver;
  readonly #becameLive = Promise.withResolvers<void>();
  /** For each shard, the last revision that was delivered while a live subscription covered this reader. */
  #delivered: number[] = [];
  /** The same, when the current stream began: a stream may resume from before the end of the last one. */
  #deliveredBefore: number[] = [];
  #epoch = 0n;
  #covered = false;
  #wasLive = false;
  readonly #wide = new WideChanges<CacheEvent>((event) => this.#push(event));
  readonly #events = new Fifo<CacheEvent>();
  readonly #waiting = new Fifo<PromiseWithResolvers<IteratorResult<CacheEvent, undefined>>>();
  /** Why the server takes no such subscription. */
  #refusal: CacheError | undefined;
  #closed = false;

  constructor(
    namespace: string,
    prefixes: readonly string[],
    queueMaxEvents: number,
    observer: EventQueueObserver,
  ) {
    this.namespace = namespace;
    this.prefixes = prefixes;
    this.#queueMaxEvents = queueMaxEvents;
    this.#observer = observer;
    this.isLive = this.#becameLive.promise;
    // Most callers never wait for it, and then its rejection must not be unhandled.
    this.isLive.catch(() => undefined);
  }

  live(): void {
    this.#covered = true;
    this.#wasLive = true;
    this.#deliveredBefore = [...this.#delivered];
    this.#becameLive.resolve();
  }

  /** The next stream resumes, or delivers a gap. */
  lost(): void {
    this.#covered = false;
  }

  /** Its reader is told that events may be missing, if it was given any. */
  uncovered(): void {
    this.#covered = false;
    if (this.#wasLive) this.#push({ kind: "gap", cause: "unknown" });
  }

  /** Ends the subscription: its reader is told why. */
  refused(error: CacheError): void {
    if (this.#closed) return;
    this.#refusal = error;
    this.close();
  }

  /** An own write sends an event too. */
  invalidate(): void {}

  onEvent(change: Change, event: Event): void {
    const kind = KINDS[event.kind];
    if (kind === undefined || !this.#matches(change) || this.#wasDelivered(change, event)) return;
    const { target, name, shard, revision } = change;
    const { origin, traceparent } = event;
    const told = { kind, target, name, shard, revision, origin, traceparent };
    const shards = this.#observer.shards();
    if (target === "key" || shards < 2) this.#push(told);
    else this.#wide.add(`${kind} ${target} ${origin} ${traceparent} ${name}`, change, shards, told);
  }

  /** The server has answered a ping, and sent all events from before it. */
  pingAnswered(): void {
    this.#wide.pingAnswered();
  }

  gap(gap: Gap): void {
    this.#delivered = [];
    this.#deliveredBefore = [];
    this.#wide.clear();
    this.#push({ kind: "gap", cause: gapCauseOf(gap) });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.clear();
    this.#becameLive.reject(this.#refusal ?? new CacheError("CLOSED", "the subscription was closed"));
    for (const { resolve, reject } of this.#waiting.toArray()) {
      if (this.#refusal === undefined) resolve({ done: true, value: undefined });
      else reject(this.#refusal);
    }
    this.#waiting.clear();
    this.#observer.closed(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<CacheEvent, undefined> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
  }

  #next(): Promise<IteratorResult<CacheEvent, undefined>> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    const waiting = Promise.withResolvers<IteratorResult<CacheEvent, undefined>>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  #push(event: CacheEvent): void {
    if (this.#closed) return;
    const next = this.#waiting.shift();
    if (next !== undefined) next.resolve({ done: false, value: event });
    else if (this.#events.length < this.#queueMaxEvents) this.#events.push(event);
    else {
      this.#events.clear();
      this.#events.push({ kind: "gap", cause: "overrun" });
      this.#observer.overran();
    }
  }

  /** Whether the stream before this one has delivered the event. */
  #wasDelivered({ shard, revision }: Change, { stamp }: Event): boolean {
    if (stamp !== undefined && stamp.epoch !== this.#epoch) {
      this.#epoch = stamp.epoch;
      this.#delivered = [];
      this.#deliveredBefore = [];
    }
    if (revision <= (this.#deliveredBefore[shard] ?? 0)) return true;
    if (this.#covered) this.#delivered[shard] = Math.max(this.#delivered[shard] ?? 0, revision);
    return false;
  }

  /** The selectors of the connection may cover more than this reader wants. */
  #matches({ target, name }: Change): boolean {
    if (this.prefixes.length === 0) return true;
    if (target === "key") return this.prefixes.some((prefix) => name.startsWith(prefix));
    if (target !== "prefix") return true;
    return this.prefixes.some((prefix) => name.startsWith(prefix) || prefix.startsWith(name));
  }
}
