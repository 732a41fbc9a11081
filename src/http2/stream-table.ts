/**
 * The open streams of a connection by their ids. A Map would be rebuilt again and again as they come and go. It has what this
 * server and node:http2 use of a Map, and no more.
 */

const FIRST_SLOTS = 16;

/** From the ids of streams, which are odd and grow, in an array that only grows: open addressing with linear probing. */
export class StreamTable<Stream> {
  #ids: number[] = Array(FIRST_SLOTS).fill(0);
  #streams: (Stream | undefined)[] = Array(FIRST_SLOTS).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    return this.#streams[this.#slotOf(id)];
  }

  set(id: number, stream: Stream): this {
    if (2 * (this.#size + 1) > this.#ids.length) this.#grow();
    const slot = this.#slotOf(id);
    if (this.#ids[slot] !== id) this.#size += 1;
    this.#ids[slot] = id;
    this.#streams[slot] = stream;
    return this;
  }

  delete(id: number): boolean {
    let free = this.#slotOf(id);
    if (this.#ids[free] !== id) return false;
    this.#size -= 1;
    const last = this.#ids.length - 1;
    // What comes behind is found only as long as no slot before it is free.
    for (let slot = (free + 1) & last; this.#ids[slot] !== 0; slot = (slot + 1) & last) {
      const distance = (slot - this.#firstSlotOf(this.#ids[slot] ?? 0)) & last;
      if (distance < ((slot - free) & last)) continue;
      this.#ids[free] = this.#ids[slot] ?? 0;
      this.#streams[free] = this.#streams[slot];
      free = slot;
    }
    this.#ids[free] = 0;
    this.#streams[free] = undefined;
    return true;
  }

  /** As `forEach`, without a copy: `visit` may add and delete none. */
  visit(visit: (stream: Stream) => void): void {
    for (const stream of this.#streams) if (stream !== undefined) visit(stream);
  }

  /** Visits those that are there now: a stream that is visited may be deleted, and others with it. */
  forEach(visit: (stream: Stream) => void): void {
    for (const stream of [...this.#streams]) if (stream !== undefined) visit(stream);
  }

  #firstSlotOf(id: number): number {
    return (id >> 1) & (this.#ids.length - 1);
  }

  /** That of this id, or the free one where it would be. */
  #slotOf(id: number): number {
    const last = this.#ids.length - 1;
    let slot = this.#firstSlotOf(id);
    while (this.#ids[slot] !== id && this.#ids[slot] !== 0) slot = (slot + 1) & last;
    return slot;
  }

  #grow(): void {
    const ids = this.#ids;
    const streams = this.#streams;
    this.#ids = Array(2 * ids.length).fill(0);
    this.#streams = Array(2 * ids.length).fill(undefined);
    this.#size = 0;
    ids.forEach((id, slot) => {
      const stream = streams[slot];
      if (stream !== undefined) this.set(id, stream);
    });
    // Else it would keep the streams that it had, once it is old.
    streams.fill(undefined);
  }
}
