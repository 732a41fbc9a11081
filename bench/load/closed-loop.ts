/**
 * A closed loop: a fixed number of operations in flight, each followed by the next. A busy service loads its
 * cache so.
 */
import { createDraws, createValues, type Distribution } from "../keyspace.ts";
import type { RemoteCache } from "../remote-cache.ts";

export interface ClosedLoopShape {
  readonly operation: "get" | "set" | "increment";
  readonly inFlight: number;
  readonly distribution: Distribution;
  readonly durationMs: number;
  readonly seed: number;
  /** Default false: a miss costs less than a hit, so misses would favour a side. */
  readonly missesAllowed?: boolean;
}

export interface ClosedLoopWindow {
  readonly perSecond: number;
  /** CPU time of this process for each operation, user and system. */
  readonly cpuMicros: number;
}

/**
 * Every read must return a value of `valueBytes`, or a miss where that is allowed. Every Set must be stored, and every
 * Increment must count. Counters have keys of their own, which no fill sets.
 */
export async function runClosedLoop(
  cache: RemoteCache,
  keys: readonly string[],
  valueBytes: number,
  shape: ClosedLoopShape,
): Promise<ClosedLoopWindow> {
  const draw = createDraws(shape.distribution, keys.length, shape.seed);
  let running = true;
  const makeValue = createValues(valueBytes, shape.seed);
  let operations = 0;
  let wrong = 0;
  const read = async (): Promise<void> => {
    while (running) {
      const found = cache.valueBytes(await cache.get(keys[draw()] ?? ""));
      operations++;
      if (found !== valueBytes && !(shape.missesAllowed === true && found < 0)) wrong++;
    }
  };
  const write = async (): Promise<void> => {
    while (running) {
      const index = draw();
      const answer = await cache.set(keys[index] ?? "", makeValue(index));
      operations++;
      if (!cache.isStored(answer)) wrong++;
    }
  };
  const { count } = cache;
  const counters = shape.operation === "increment" ? keys.map((key) => `c${key.slice(1)}`) : [];
  const increment = async (): Promise<void> => {
    while (running) {
      const answer = await count?.(counters[draw()] ?? "");
      operations++;
      if ((cache.counted?.(answer) ?? 0) < 1) wrong++;
    }
  };
  const lane = { get: read, set: write, increment }[shape.operation];
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  setTimeout(() => {
    running = false;
  }, shape.durationMs);
  await Promise.all(Array.from({ length: shape.inFlight }, lane));
  const elapsedMs = performance.now() - startedMs;
  const cpu = process.cpuUsage(cpuBefore);
  if (wrong > 0)
    throw new Error(`${wrong} of ${operations} ${shape.operation}s did not find or store their value`);
  return {
    perSecond: operations / (elapsedMs / 1000),
    cpuMicros: (cpu.user + cpu.system) / operations,
  };
}
