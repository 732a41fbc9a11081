/**
 * Events that one subscriber of a thread has read and others are about to: as objects, so that whoever makes something of
 * an event makes it once for all. They are let go of with the next event that finds everybody asleep: kept for longer,
 * those of a busy server would all grow old, and be collected in pauses of ten milliseconds and more. Somebody who is
 * behind and does not read keeps them; there are never more than the places.
 */
import type { StoreEvent } from "../api/store.ts";

/** A power of two. Of what comes in a burst of more, some is made anew for each reader. */
const EVENTS_MAX = 2_048;
/** So that the events of as many shards do not take each other's places at once. */
const SHARD_STRIDE = 128;

export class DecodedEvents {
  readonly #events: (StoreEvent | undefined)[] = new Array<StoreEvent | undefined>(EVENTS_MAX).fill(
    undefined,
  );
  readonly #positions = new Float64Array(EVENTS_MAX);
  /** Places that have an event. */
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

  /** Everybody has read what there is. */
  clear(): void {
    for (const place of this.#used) this.#events[place] = undefined;
    this.#used.length = 0;
  }
}

function placeOf(shard: number, position: number): number {
  return (position + shard * SHARD_STRIDE) & (EVENTS_MAX - 1);
}
