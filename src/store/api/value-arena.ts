/**
 * Memory that a reader lends the store for the values that it reads, which else get memory of their own: for who
 * encodes what it has read and keeps nothing. Values in memory of their own are what the collector is busiest with
 * under a load of large ones.
 */

const SPACE_BYTES = 320 * 1024;
/** Larger ones would crowd out the others, and are worth memory of their own. */
const VALUE_MAX_BYTES = SPACE_BYTES / 2;
const KEPT_MAX_SPACES = 4;

/** Room for the values of one answer, about. */
export class ValueSpace {
  readonly #memory = new ArrayBuffer(SPACE_BYTES);
  #usedBytes = 0;

  /** Bytes not yet written to; undefined when there is no room for them. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes > VALUE_MAX_BYTES || this.#usedBytes + bytes > SPACE_BYTES) return undefined;
    const taken = new Uint8Array(this.#memory, this.#usedBytes, bytes);
    this.#usedBytes += bytes;
    return taken;
  }

  /** What was taken may be taken, and written to, again. */
  clear(): void {
    this.#usedBytes = 0;
  }
}

const kept: ValueSpace[] = [];

export function takeValueSpace(): ValueSpace {
  return kept.pop() ?? new ValueSpace();
}

/** Nobody reads any longer what is in it. */
export function returnValueSpace(space: ValueSpace): void {
  space.clear();
  if (kept.length < KEPT_MAX_SPACES) kept.push(space);
}

let lent: ValueSpace | undefined;

/**
 * The values of the Gets from here on may lie in `space`, and are good until that is cleared; undefined takes it back.
 * Not for other operations: they may settle the waits of callers who have not lent anything.
 */
export function lend(space: ValueSpace | undefined): void {
  lent = space;
}

/** Room for a value in the space that is lent, if there is one and it has room. */
export function takeLent(bytes: number): Uint8Array | undefined {
  return lent?.take(bytes);
}
