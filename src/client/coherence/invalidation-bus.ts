/**
 * Who in this process holds something of a namespace: near caches, loads under way, subscribers. Every change,
 * from the server or of this process's own, goes through here to all of them.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import { Event_Kind } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Change, Coherence } from "./coherence.ts";

export interface InvalidationListener {
  readonly namespace: string;
  /** An event from the server. `touched`: the value is the same, its lifetimes are not. */
  onEvent(change: Change, event: Event, touched: boolean): void;
  /** An own write is about to be sent, or was answered, or failed. */
  invalidate(target: Change["target"], name: string): void;
}

export class InvalidationBus {
  readonly #coherence: Coherence;
  /** The lists are replaced and not changed: holders come and go while they are told of a change. */
  readonly #byNamespace = new Map<string, readonly InvalidationListener[]>();

  constructor(coherence: Coherence) {
    this.#coherence = coherence;
  }

  add(listener: InvalidationListener): void {
    const others = this.#byNamespace.get(listener.namespace) ?? [];
    this.#byNamespace.set(listener.namespace, [...others, listener]);
  }

  delete(listener: InvalidationListener): void {
    const { namespace } = listener;
    const others = (this.#byNamespace.get(namespace) ?? []).filter((other) => other !== listener);
    if (others.length === 0) this.#byNamespace.delete(namespace);
    else this.#byNamespace.set(namespace, others);
  }

  /** Applies the events of one frame, which holds all events of each of its revisions. */
  apply(events: readonly Event[]): void {
    for (const event of events) {
      const change = toChange(event);
      if (change === undefined) continue;
      this.#coherence.applied(change);
      const touched = event.kind === Event_Kind.TOUCHED;
      for (const listener of this.#byNamespace.get(change.namespace) ?? []) {
        listener.onEvent(change, event, touched);
      }
    }
  }

  /**
   * Events that come again, in their order, on the stream that counts. What they are about goes at once, since
   * nothing is served whose invalidation has been received; subscribers hear of them in their turn.
   */
  evict(events: readonly Event[]): void {
    for (const event of events) {
      const change = toChange(event);
      if (change === undefined || event.stamp?.epoch !== this.#coherence.epoch) continue;
      this.#coherence.applied(change);
      this.invalidate(change.namespace, change.target, change.name);
    }
  }

  invalidate(namespace: string, target: Change["target"], name: string): void {
    for (const listener of this.#byNamespace.get(namespace) ?? []) listener.invalidate(target, name);
  }
}

function toChange({ stamp, namespace, target }: Event): Change | undefined {
  if (stamp === undefined || target.case === undefined) return undefined;
  const name = target.case === "all" ? "" : target.value;
  return { shard: stamp.shard, revision: Number(stamp.revision), namespace, target: target.case, name };
}
