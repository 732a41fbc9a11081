/**
 * Who in this process holds something of a namespace: near caches, loads under way, subscribers. Every change,
 * from the server or of this process's own, goes through here to all of them.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import { Event_Kind } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Change, Coherence } from "./coherence.ts";

export interface Holder {
  readonly namespace: string;
  /** An event from the server. `touched`: the value is the same, its lifetimes are not. */
  changed(change: Change, event: Event, touched: boolean): void;
  /** An own write is about to be sent, or was answered, or failed. */
  forget(target: Change["target"], name: string): void;
}

export class Holders {
  readonly #coherence: Coherence;
  /** The lists are replaced and not changed: holders come and go while they are told of a change. */
  readonly #byNamespace = new Map<string, readonly Holder[]>();

  constructor(coherence: Coherence) {
    this.#coherence = coherence;
  }

  add(holder: Holder): void {
    const others = this.#byNamespace.get(holder.namespace) ?? [];
    this.#byNamespace.set(holder.namespace, [...others, holder]);
  }

  delete(holder: Holder): void {
    const { namespace } = holder;
    const others = (this.#byNamespace.get(namespace) ?? []).filter((other) => other !== holder);
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
      for (const holder of this.#byNamespace.get(change.namespace) ?? []) {
        holder.changed(change, event, touched);
      }
    }
  }

  /**
   * Events that come again, in their order, on the stream that counts. What they are about goes at once, since
   * nothing is served whose invalidation has been received; subscribers hear of them in their turn.
   */
  overheard(events: readonly Event[]): void {
    for (const event of events) {
      const change = toChange(event);
      if (change === undefined || event.stamp?.epoch !== this.#coherence.epoch) continue;
      this.#coherence.applied(change);
      this.forget(change.namespace, change.target, change.name);
    }
  }

  forget(namespace: string, target: Change["target"], name: string): void {
    for (const holder of this.#byNamespace.get(namespace) ?? []) holder.forget(target, name);
  }
}

function toChange({ stamp, namespace, target }: Event): Change | undefined {
  if (stamp === undefined || target.case === undefined) return undefined;
  const name = target.case === "all" ? "" : target.value;
  return { shard: stamp.shard, revision: Number(stamp.revision), namespace, target: target.case, name };
}
