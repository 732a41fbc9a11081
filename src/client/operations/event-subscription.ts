/** A namespace's events as an async iterable: bounded, and with a gap in the place of what did not fit. */
import type { Event, Gap } from "../../../gen/meshcache/v1/cache_pb.ts";
import { Event_Kind, Gap_Reason } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../common/errors.ts";
import type { Change } from "../coherence/coherence.ts";
import type { Holder } from "../coherence/invalidation-bus.ts";
import type { Interest } from "../coherence/subscription-set.ts";
import type { CallOptions } from "./runner.ts";

export type ChangeKind = "set" | "invalidated" | "staled" | "touched";
export type GapCause = "cursorExpired" | "epochChanged" | "cursorAhead" | "overrun" | "unknown";

export type CacheEvent =
  | {
      readonly kind: ChangeKind;
      readonly target: Change["target"];
      /** The key, tag or prefix; empty for "all". */
      readonly name: string;
      /** Tag, prefix and namespace events come once for each shard. */
      readonly shard: number;
      readonly revision: number;
      /** The writer's client id. Empty: unknown. */
      readonly origin: string;
      /** W3C traceparent of the writer's span. Empty: not sampled. */
      readonly traceparent: string;
    }
  /** Events may have been missed: by the server's account, or because this reader was too slow ("overrun"). */
  | { readonly kind: "gap"; readonly cause: GapCause };

export interface SubscribeOptions extends Pick<CallOptions, "signal"> {
  /** Only keys that begin with one of these, and all tags. Default: the whole namespace. */
  readonly prefixes?: readonly string[];
  /** Events that wait for the reader; more become one gap. 1 to 1,048,576; default 4,096. */
  readonly queueMaxEvents?: number;
}

/** One reader. Leaving the loop, `close`, or the end of its scope ends it. */
export interface EventSubscription extends AsyncIterable<CacheEvent>, AsyncDisposable {
  /** Resolves when every event from then on will be told; rejects when it is closed before. */
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

export class EventQueue implements Holder, Interest, EventSubscription {
  readonly namespace: string;
  readonly prefixes: readonly string[];
  readonly isLive: Promise<void>;
  readonly #queueMaxEvents: number;
  readonly #onClose: (queue: EventQueue) => void;
  readonly #becameLive = Promise.withResolvers<void>();
  /** Of each shard the last revision that was told while a subscription covered this reader. */
  #told: number[] = [];
  /** The same when the stream began: the next one resumes from before the end of the last. */
  #toldBefore: number[] = [];
  #epoch = 0n;
  #covered = false;
  #events: CacheEvent[] = [];
  readonly #waiting: PromiseWithResolvers<IteratorResult<CacheEvent, undefined>>[] = [];
  /** Why the server takes no such subscription. */
  #refusal: CacheError | undefined;
  #closed = false;

  constructor(
    namespace: string,
    prefixes: readonly string[],
    queueMaxEvents: number,
    onClose: (queue: EventQueue) => void,
  ) {
    this.namespace = namespace;
    this.prefixes = prefixes;
    this.#queueMaxEvents = queueMaxEvents;
    this.#onClose = onClose;
    this.isLive = this.#becameLive.promise;
    // Few wait for it: its rejection is no unhandled one for all others.
    this.isLive.catch(() => undefined);
  }

  live(): void {
    this.#covered = true;
    this.#toldBefore = [...this.#told];
    this.#becameLive.resolve();
  }

  /** Nothing is lost: the next stream resumes, or there is a gap. */
  lost(): void {
    this.#covered = false;
  }

  /** Ends the subscription: its reader is told why. */
  refused(error: CacheError): void {
    if (this.#closed) return;
    this.#refusal = error;
    this.close();
  }

  forget(): void {}

  changed(change: Change, event: Event): void {
    const kind = KINDS[event.kind];
    if (kind === undefined || !this.#concerns(change) || this.#wasTold(change, event)) return;
    this.#push({
      kind,
      target: change.target,
      name: change.name,
      shard: change.shard,
      revision: change.revision,
      origin: event.origin,
      traceparent: event.traceparent,
    });
  }

  gap(gap: Gap): void {
    this.#told = [];
    this.#toldBefore = [];
    this.#push({ kind: "gap", cause: CAUSES[gap.reason] ?? "unknown" });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events = [];
    this.#becameLive.reject(this.#refusal ?? new CacheError("CLOSED", "the subscription was closed"));
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#refusal === undefined) resolve({ done: true, value: undefined });
      else reject(this.#refusal);
    }
    this.#onClose(this);
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
    else this.#events = [{ kind: "gap", cause: "overrun" }];
  }

  /** By the stream before this one, while both were open. */
  #wasTold({ shard, revision }: Change, { stamp }: Event): boolean {
    if (stamp !== undefined && stamp.epoch !== this.#epoch) {
      this.#epoch = stamp.epoch;
      this.#told = [];
      this.#toldBefore = [];
    }
    if (revision <= (this.#toldBefore[shard] ?? 0)) return true;
    if (this.#covered) this.#told[shard] = Math.max(this.#told[shard] ?? 0, revision);
    return false;
  }

  /** The connection's selectors may be wider than this reader's. */
  #concerns({ target, name }: Change): boolean {
    if (this.prefixes.length === 0) return true;
    if (target === "key") return this.prefixes.some((prefix) => name.startsWith(prefix));
    if (target !== "prefix") return true;
    return this.prefixes.some((prefix) => name.startsWith(prefix) || prefix.startsWith(name));
  }
}
