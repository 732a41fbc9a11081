/** The keys of a run, and the order in which a load uses them: uniform or zipfian, from a seed. */
import { createSeededRng, type Rng } from "../src/common/random.ts";

export type Distribution = "uniform" | "zipfian";

/** As in YCSB (Cooper et al., SoCC 2010), so that results can be compared. */
const ZIPF_EXPONENT = 0.99;
const DRAW_COUNT = 1 << 20;

const KEY_BYTES = 20;

/**
 * Twenty bytes, as in the targets table. A flat string, as decoded from a request: after a garbage
 * collection, lookups with concatenated strings would compare different objects.
 */
export function keyAt(index: number): string {
  return Buffer.from(`entry:${index.toString().padStart(14, "0")}`).toString("latin1");
}

/** Every key once, created before the measurement, so that it costs neither side anything. */
export function createKeys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => keyAt(index));
}

/**
 * Every key, created as a string only when it is used. Each full collection would mark a million kept
 * strings: pauses of 30 to 47 ms that no client has.
 */
export function packKeys(count: number): Keys {
  const bytes = Buffer.alloc(count * KEY_BYTES);
  for (let index = 0; index < count; index++) bytes.write(keyAt(index), index * KEY_BYTES, "latin1");
  return {
    count,
    at: (index) => bytes.toString("latin1", index * KEY_BYTES, (index + 1) * KEY_BYTES),
  };
}

export interface Keys {
  readonly count: number;
  at(index: number): string;
}

/** Memory for the indices of one load at a time. */
export function createDrawMemory(): Uint32Array {
  return new Uint32Array(DRAW_COUNT);
}

/** An endless sequence of indices below `count`, created before the measurement. */
export function createDraws(
  distribution: Distribution,
  count: number,
  seed: number,
  draws = createDrawMemory(),
): () => number {
  const rng = createSeededRng(seed);
  const draw = distribution === "uniform" ? () => Math.floor(rng.fraction() * count) : zipfian(count, rng);
  for (let at = 0; at < DRAW_COUNT; at++) draws[at] = draw();
  let next = Math.floor(rng.fraction() * DRAW_COUNT);
  return () => {
    next = (next + 1) & (DRAW_COUNT - 1);
    return draws[next] ?? 0;
  };
}

interface ZipfTables {
  readonly cumulative: Float64Array;
  /** The key of each rank. Hot keys must not be next to each other in memory. */
  readonly places: Uint32Array;
}

/** For the last count, because all windows of a row use the same. */
let zipfTables: ZipfTables | undefined;

function zipfian(count: number, rng: Rng): () => number {
  if (zipfTables?.places.length !== count) {
    zipfTables = { cumulative: zipfCumulative(count), places: shuffled(count, createSeededRng(count)) };
  }
  const { cumulative, places } = zipfTables;
  const total = cumulative[count - 1] ?? 1;
  return () => places[lowerBound(cumulative, rng.fraction() * total)] ?? 0;
}

function zipfCumulative(count: number): Float64Array {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += 1 / (rank + 1) ** ZIPF_EXPONENT;
    cumulative[rank] = sum;
  }
  return cumulative;
}

function shuffled(count: number, rng: Rng): Uint32Array {
  const places = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(rng.fraction() * (last + 1));
    const kept = places[last] ?? 0;
    places[last] = places[other] ?? 0;
    places[other] = kept;
  }
  return places;
}

function lowerBound(sorted: Float64Array, wanted: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Different values of one size that do not compress. */
export function createValues(valueBytes: number, seed: number): (index: number) => Buffer {
  const rng = createSeededRng(seed);
  const noise = Buffer.alloc(valueBytes);
  for (let at = 0; at < valueBytes; at++) noise[at] = rng.fraction() * 256;
  return (index) => {
    const value = Buffer.from(noise);
    if (valueBytes >= 4) value.writeUInt32LE(index >>> 0, 0);
    return value;
  };
}
