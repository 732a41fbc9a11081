/** The keys of a run and the order in which a load asks for them: uniform or zipfian, drawn from a seed. */
import { createSeededRng, type Rng } from "../src/common/random.ts";

export type Distribution = "uniform" | "zipfian";

/** As YCSB draws (Cooper et al., SoCC 2010), so that results compare. */
const zipfExponent = 0.99;
const drawCount = 1 << 20;

const keyBytes = 20;

/**
 * Twenty bytes, as in the targets table. In one piece, as a request brings them: of a string in two pieces the
 * collector leaves different objects in different places, and each lookup would compare them.
 */
export function keyAt(index: number): string {
  return Buffer.from(`entry:${index.toString().padStart(14, "0")}`).toString("latin1");
}

/** Every key once, made before the clock runs so that neither side pays for it. */
export function createKeys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => keyAt(index));
}

/**
 * Every key, each as a string only when it is asked for. A million strings are marked by each full collection of
 * the process that holds them: pauses of 30 to 47 ms that are no client's.
 */
export function packKeys(count: number): Keys {
  const bytes = Buffer.alloc(count * keyBytes);
  for (let index = 0; index < count; index++) bytes.write(keyAt(index), index * keyBytes, "latin1");
  return {
    count,
    at: (index) => bytes.toString("latin1", index * keyBytes, (index + 1) * keyBytes),
  };
}

export interface Keys {
  readonly count: number;
  at(index: number): string;
}

/** Memory for the draws of one load at a time. */
export function createDrawMemory(): Uint32Array {
  return new Uint32Array(drawCount);
}

/** An endless order of indices below `count`, drawn before the clock runs. */
export function createDraws(
  distribution: Distribution,
  count: number,
  seed: number,
  draws = createDrawMemory(),
): () => number {
  const rng = createSeededRng(seed);
  const draw = distribution === "uniform" ? () => Math.floor(rng.fraction() * count) : zipfian(count, rng);
  for (let at = 0; at < drawCount; at++) draws[at] = draw();
  let next = Math.floor(rng.fraction() * drawCount);
  return () => {
    next = (next + 1) & (drawCount - 1);
    return draws[next] ?? 0;
  };
}

interface ZipfTables {
  readonly cumulative: Float64Array;
  /** The key of each rank: hot keys must not be neighbours in memory. */
  readonly places: Uint32Array;
}

/** Of the last count: every window of a row draws from the same. */
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
    sum += 1 / (rank + 1) ** zipfExponent;
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

/** Values of one size that differ from one another and do not compress. */
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
