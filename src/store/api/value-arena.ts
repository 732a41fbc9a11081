/**
 * Memory that a caller of Get owns and that the store copies values into, instead of memory of its own for each value.
 * It is for a caller that encodes what it reads and keeps nothing. Under a load of large values, buffers of their own
 * are most of the collector's work.
 */

const ARENA_BYTES = 320 * 1024;
/** A larger value would leave no room for others, and is worth a buffer of its own. */
const VALUE_MAX_BYTES = ARENA_BYTES / 2;
const FREE_ARENAS_MAX = 4;

/** Where the store may copy a value. */
export interface ValueMemory {
  /** Undefined: the value gets memory of its own. What it throws, the Get throws, and nothing is copied. */
  take(bytes: number): Uint8Array | undefined;
}

/** Room for about as many values as one answer carries. */
export class ValueArena implements ValueMemory {
  readonly #memory = new ArrayBuffer(ARENA_BYTES);
  #usedBytes = 0;

  /** Memory with any content; undefined when the arena has no room. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes > VALUE_MAX_BYTES || this.#usedBytes + bytes > ARENA_BYTES) return undefined;
    const taken = new Uint8Array(this.#memory, this.#usedBytes, bytes);
    this.#usedBytes += bytes;
    return taken;
  }

  /** Makes all memory free again: values taken before may be overwritten from now on. */
  clear(): void {
    this.#usedBytes = 0;
  }
}

const freeArenas: ValueArena[] = [];

/** An empty arena. */
export function takeValueArena(): ValueArena {
  return freeArenas.pop() ?? new ValueArena();
}

/** Nobody reads the values in the arena any more. */
export function returnValueArena(arena: ValueArena): void {
  arena.clear();
  if (freeArenas.length < FREE_ARENAS_MAX) freeArenas.push(arena);
}
