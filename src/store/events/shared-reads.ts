/**
 * The latest reads of the subscribers in one thread. A subscriber at the same position with the same selectors takes
 * the result of another one: an event for a thousand subscribers is read once.
 */
import type { SubscriberRead } from "../api/store.ts";
import type { ReadPosition } from "./read-position.ts";

/** One for each set of selectors. */
const READS_MAX = 16;

interface SharedRead {
  readonly from: ReadPosition;
  /** The selectors as text. */
  readonly selection: string;
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly to: ReadPosition;
  readonly unfinished: boolean;
  readonly read: SubscriberRead;
}

export class SharedReads {
  /** By selection, the oldest first. */
  readonly #reads = new Map<string, SharedRead>();

  /** The result of this very read, if another subscriber has it. */
  find(from: ReadPosition, selection: string, maxEvents: number, maxBytes: number): SharedRead | undefined {
    const known = this.#reads.get(selection);
    if (known?.from !== from || known.maxEvents !== maxEvents || known.maxBytes !== maxBytes)
      return undefined;
    return known;
  }

  /** Returns the reader's new position, which is one object for all that have come to it. */
  add(read: SharedRead): ReadPosition {
    const { selection, to } = read;
    const known = this.#reads.get(selection);
    if (known?.to.equals(to)) return known.to;
    this.#reads.delete(selection);
    this.#reads.set(selection, read);
    if (this.#reads.size > READS_MAX) this.#dropOldest();
    return to;
  }

  #dropOldest(): void {
    const [oldest] = this.#reads.keys();
    if (oldest !== undefined) this.#reads.delete(oldest);
  }
}
