/**
 * The invalidation bus: passes every change of a namespace, from the server or of an own write, to the near caches,
 * the loads in flight and the event subscriptions of this process.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import { Event_Kind } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Change, Coherence } from "./coherence.ts";

export interface InvalidationListener {
  readonly namespace: string;
  /** An event from the server. `touched`: only the lifetimes have changed, not the value. */
  onEvent(change: Change, event: Event, touched: boolean): void;
  /**
   * Drop what the change concerns, whatever it reflects. Called before an own write is sent, when it is answered and
   * when it fails, and for an event of a replaced stream.
   */
  invalidate(target: Change["target"], name: string): void;
}

export class InvalidationBus {
  readonly #coherence: Coherence;
  /** Events of namespaces that nobody here has open: the selectors cover more names than those. */
  unwantedEvents = 0;
  /** Each list is replaced, never changed in place: a listener may come or go while a change is passed on. */
  readonly #byNamespace = new Map<string, readonly InvalidationListener[]>();

  constructor(coherence: Coherence) {
    this.#coherence = coherence;
  }

  add(listener: InvalidationListener): void {
    // `concat` makes arrays of the exact length: there may be very many of one listener.
    const rest: readonly InvalidationListener[] = this.#byNamespace.get(listener.namespace) ?? [];
    this.#byNamespace.set(listener.namespace, rest.concat(listener));
  }

  delete(listener: InvalidationListener): void {
    const { namespace } = listener;
    const known = this.#byNamespace.get(namespace) ?? [];
    const at = known.indexOf(listener);
    if (at < 0) return;
    const rest = known.toSpliced(at, 1);
    if (rest.length === 0) this.#byNamespace.delete(namespace);
    else this.#byNamespace.set(namespace, rest);
  }

  /**
   * Applies the events of one frame. A frame holds all events of each of its revisions. Those of a namespace without a listener
   * concern no copy, and no answer that may become one: its near cache would listen.
   */
  apply(events: readonly Event[]): void {
    for (const event of events) {
      const listeners = this.#byNamespace.get(event.namespace);
      if (listeners === undefined) {
        this.unwantedEvents += 1;
        continue;
      }
      const change = toChange(event);
      if (change === undefined) continue;
      this.#coherence.eventApplied(change);
      const touched = event.kind === Event_Kind.TOUCHED;
      for (const listener of listeners) {
        listener.onEvent(change, event, touched);
      }
    }
  }

  /** Events from a replaced stream: evict now; the primary stream delivers them again, in order, to subscribers. */
  evict(events: readonly Event[]): void {
    for (const event of events) {
      const change = toChange(event);
      if (change === undefined || !this.#byNamespace.has(event.namespace)) continue;
      if (event.stamp?.epoch !== this.#coherence.epoch) continue;
      this.#coherence.eventApplied(change);
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
