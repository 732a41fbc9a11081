import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { createProcessBounds, type ProcessBounds } from "../../../src/server/limits/quotas.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { attachBounds, createBoundsMemory } from "../../../src/server/workers/shared-bounds.ts";
import type { QuotaThreadData } from "../../support/quota-thread.ts";

const limits = resolveTransportLimits({ connectionsMax: 3, queueMaxBytes: 1_024, queuesMaxBytes: 2 ** 40 });
const THREADS = 3;

/** The bounds of each server of one process. */
const sharings: readonly (readonly [string, () => readonly ProcessBounds[]])[] = [
  ["one server", () => new Array(THREADS).fill(createProcessBounds(limits))],
  [
    "several threads",
    () => {
      const memory = createBoundsMemory(THREADS);
      return Array.from({ length: THREADS }, (_, thread) => attachBounds(memory, thread, limits));
    },
  ],
];

describe.each(sharings)("the bounds of a process with %s", (_, create) => {
  it.each(["connections", "watchers"] as const)("allow connectionsMax %s over all servers", (name) => {
    const quotas = create().map((bounds) => bounds[name]);
    expect(quotas.map((quota) => quota.take())).toEqual([true, true, true]);
    expect(quotas.map((quota) => quota.take())).toEqual([false, false, false]);
    quotas[2]?.give();
    expect(quotas.map(({ taken }) => taken)).toEqual([2, 2, 2]);
    expect(quotas.map((quota) => quota.take())).toEqual([true, false, false]);
  });

  it("count subscribers without a bound of their own", () => {
    const quotas = create().map(({ subscribers }) => subscribers);
    for (let count = 0; count < 30; count++) expect(quotas[count % THREADS]?.take()).toBe(true);
    expect(quotas.map(({ taken }) => taken)).toEqual([30, 30, 30]);
  });

  it("add up queued bytes beyond 32 bits", () => {
    const queues = create().map((bounds) => bounds.queues);
    const spent = () => queues.map((queue) => queue.spent);
    for (const queue of queues) queue.add(2 ** 38);
    expect(spent()).toEqual([false, false, false]);
    queues[0]?.add(2 ** 38);
    expect(spent()).toEqual([true, true, true]);
    queues[1]?.add(-1);
    expect(spent()).toEqual([false, false, false]);
  });

  it("A3: add up the bytes that calls hold, beside those of queues", () => {
    const bounds = create();
    for (const { held, queues } of bounds) {
      held.add(2 ** 38);
      queues.add(1);
    }
    const exact = () => bounds.map(({ held }) => held.exactBytes());
    expect(exact()).toEqual(new Array(THREADS).fill(THREADS * 2 ** 38));
    for (const { held } of bounds) held.add(-(2 ** 38));
    expect(exact()).toEqual(new Array(THREADS).fill(0));
    bounds[0]?.held.add(2 ** 21);
    expect(bounds[0]?.held.bytes).toBe(2 ** 21);
  });
});

describe("the bounds of threads that run at the same time", () => {
  it("allow exactly connectionsMax connections", async () => {
    const plenty = resolveTransportLimits({ connectionsMax: 200_000 });
    const memory = createBoundsMemory(THREADS);
    const ready = new SharedArrayBuffer(4);
    const taken = await Promise.all(
      Array.from({ length: THREADS }, async (_, thread) => {
        const workerData: QuotaThreadData = { memory, thread, limits: plenty, ready, threads: THREADS };
        const worker = new Worker(new URL("../../support/quota-thread.ts", import.meta.url), { workerData });
        const [count]: number[] = await once(worker, "message");
        return count ?? 0;
      }),
    );
    expect(taken.reduce((sum, count) => sum + count, 0)).toBe(plenty.connectionsMax);
    expect(attachBounds(memory, 0, plenty).connections.taken).toBe(plenty.connectionsMax);
  });
});
