/** The latest events of one shard, in their order, within a bound of events and of bytes. */
import type { StoreEvent } from "./store.ts";

export interface EventLogLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** What an event costs beside its strings: the object, its slot, and the numbers that are boxed. */
const eventOverheadBytes = 128;

const costBytes = (event: StoreEvent): number =>
  eventOverheadBytes + event.name.length + event.origin.length + event.traceparent.length;

/** Positions count the events ever appended, so that the distance of two is a number of events. */
export class EventLog {
  readonly #limits: EventLogLimits;
  /** A ring: the event at position p is in slot p modulo its length. Grows up to `maxEvents`. */
  #ring: (StoreEvent | undefined)[] = new Array(64);
  #start = 0;
  #end = 0;
  #bytes = 0;
  #lostRevision = 0;

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
  }

  /** The position of the oldest event kept. */
  get start(): number {
    return this.#start;
  }

  /** The position that the next event will have. */
  get end(): number {
    return this.#end;
  }

  /** The greatest revision of which events were dropped, or 0. */
  get lostRevision(): number {
    return this.#lostRevision;
  }

  append(event: StoreEvent): void {
    if (this.#end - this.#start === this.#limits.maxEvents) this.#dropOldest();
    this.#bytes += costBytes(event);
    while (this.#bytes > this.#limits.maxBytes && this.#start < this.#end) this.#dropOldest();
    if (this.#end - this.#start === this.#ring.length) this.#grow();
    this.#ring[this.#end % this.#ring.length] = event;
    this.#end++;
  }

  /** The event at a position from `start` to before `end`. */
  at(position: number): StoreEvent {
    const event = this.#ring[position % this.#ring.length];
    if (event === undefined || position < this.#start || position >= this.#end) {
      throw new RangeError("no event is kept at this position");
    }
    return event;
  }

  /** The position of the first event kept with a greater revision. */
  after(revision: number): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.at(middle).revision > revision) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #dropOldest(): void {
    const event = this.at(this.#start);
    this.#ring[this.#start % this.#ring.length] = undefined;
    this.#start++;
    this.#bytes -= costBytes(event);
    this.#lostRevision = event.revision;
  }

  #grow(): void {
    const ring = new Array<StoreEvent | undefined>(Math.min(this.#ring.length * 2, this.#limits.maxEvents));
    for (let position = this.#start; position < this.#end; position++) {
      ring[position % ring.length] = this.#ring[position % this.#ring.length];
    }
    this.#ring = ring;
  }
}
