/**
 * Events of the logs as objects, for the subscribers of one thread: what one of them has decoded, the others share,
 * with whatever they attach to the object.
 *
 * They are cleared at the first event after every subscriber has caught up. Kept for longer, those of a busy server
 * would move to the old generation, and their collection would pause it for ten milliseconds and more. A subscriber
 * that is behind and does not read keeps them, at most as many as there are places.
 */
import type { StoreEvent } from "../api/store.ts";

/** A power of two. A burst of more overwrites places, and each reader decodes those events for itself. */
const EVENTS_MAX = 2_048;
/** Spreads the shards, so that their first events do not take the same places. */
const SHARD_STRIDE = 128;

export class DecodedEvents {
  readonly #events: (StoreEvent | undefined)[] = new Array<StoreEvent | undefined>(EVENTS_MAX).fill(
    undefined,
  );
  readonly #positions = new Float64Array(EVENTS_MAX);
  /** The places that have an event. */
  #used: number[] = [];

  /** The event at a position of its shard's log, if it is kept. */
  at(shard: number, position: number): StoreEvent | undefined {
    const place = placeOf(shard, position);
    const event = this.#events[place];
    return event?.shard === shard && this.#positions[place] === position ? event : undefined;
  }

  add(position: number, event: StoreEvent): void {
    const place = placeOf(event.shard, position);
    if (this.#events[place] === undefined) this.#used.push(place);
    this.#events[place] = event;
    this.#positions[place] = position;
  }

  clear(): void {
    for (const place of this.#used) this.#events[place] = undefined;
    this.#used.length = 0;
  }
}

function placeOf(shard: number, position: number): number {
  return (position + shard * SHARD_STRIDE) & (EVENTS_MAX - 1);
}
