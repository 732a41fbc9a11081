/**
 * An open loop: operations at a given rate, independent of the answers. Arrivals are a Poisson process. The
 * latency of a read counts from the instant at which it was due, so that a pause shows in every read that it
 * delayed (no coordinated omission).
 */
import { createSeededRng } from "../../src/common/random.ts";
import { reasonOf } from "../comparison.ts";
import { createDrawMemory, createDraws, createValues, type Keys } from "../keyspace.ts";
import type { RemoteCache } from "../remote-cache.ts";
import { percentileOfSorted } from "../statistics.ts";

export interface OpenLoopShape {
  readonly perSecond: number;
  /** Share of Sets among the operations. */
  readonly writeShare: number;
  readonly durationMs: number;
  readonly valueBytes: number;
  readonly seed: number;
}

export interface OpenLoopWindow {
  readonly reads: number;
  readonly failed: number;
  /** The error of the first operation that failed. Empty: none failed. */
  readonly failure: string;
  readonly perSecond: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly p999Micros: number;
}

/**
 * Memory that all windows use. New external memory for each window would cause a full collection in this
 * process, a pause that no client has.
 */
const drawMemory = createDrawMemory();
let latencyMemory = new Float64Array(0);

function latenciesFor(count: number): Float64Array {
  if (latencyMemory.length < count) latencyMemory = new Float64Array(count);
  return latencyMemory;
}

/** The bound of operations in flight. A side that cannot keep up must fail, and not fill the memory. */
const IN_FLIGHT_MAX = 100_000;

export async function runOpenLoop(
  cache: RemoteCache,
  keys: Keys,
  shape: OpenLoopShape,
): Promise<OpenLoopWindow> {
  const rng = createSeededRng(shape.seed);
  const draw = createDraws("zipfian", keys.count, shape.seed, drawMemory);
  const makeValue = createValues(shape.valueBytes, shape.seed);
  const latencies = latenciesFor(Math.ceil((shape.perSecond * shape.durationMs) / 1000) * 2 + 1024);
  let reads = 0;
  let failed = 0;
  let failure = "";
  let inFlight = 0;
  let settled = Promise.withResolvers<void>();

  const done = (): void => {
    inFlight--;
    if (inFlight === 0) settled.resolve();
  };
  const fail = (error: unknown): void => {
    failed++;
    if (failure === "") failure = reasonOf(error);
    done();
  };
  const read = (dueMs: number): void => {
    cache.get(keys.at(draw())).then(() => {
      latencies[reads++] = (performance.now() - dueMs) * 1000;
      done();
    }, fail);
  };
  const write = (): void => {
    const index = draw();
    cache.set(keys.at(index), makeValue(index)).then(done, fail);
  };

  const startedMs = performance.now();
  const endMs = startedMs + shape.durationMs;
  const meanGapMs = 1000 / shape.perSecond;
  let dueMs = startedMs;
  while (dueMs < endMs) {
    const nowMs = performance.now();
    while (dueMs <= nowMs && dueMs < endMs && inFlight < IN_FLIGHT_MAX) {
      inFlight++;
      if (rng.fraction() < shape.writeShare) write();
      else read(dueMs);
      dueMs += -Math.log(1 - rng.fraction()) * meanGapMs;
    }
    // `setImmediate` and not a timer, which can be a millisecond late.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  if (inFlight > 0) {
    settled = Promise.withResolvers<void>();
    await settled.promise;
  }
  const measured = latencies.subarray(0, reads).sort();
  return {
    reads,
    failed,
    failure,
    perSecond: reads / ((performance.now() - startedMs) / 1000),
    p50Micros: percentileOfSorted(measured, 50),
    p99Micros: percentileOfSorted(measured, 99),
    p999Micros: percentileOfSorted(measured, 99.9),
  };
}
