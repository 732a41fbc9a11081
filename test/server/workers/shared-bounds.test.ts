import { describe, expect, it } from "vitest";
import { createProcessBounds, type ProcessBounds } from "../../../src/server/process-bounds.ts";
import { resolveTransportLimits } from "../../../src/server/transport-limits.ts";
import { attachBounds, createBoundsMemory } from "../../../src/server/workers/shared-bounds.ts";

const limits = resolveTransportLimits({ connectionsMax: 3, queueMaxBytes: 1_024, queuesMaxBytes: 2 ** 40 });
const THREADS = 3;

/** The bounds as each of the servers of one process has them. */
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

describe.each(sharings)("the bounds of a process of %s", (_, create) => {
  it("let as many be taken as there may be, whoever takes them, and no more", () => {
    const quotas = create().map(({ connections }) => connections);
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

  it("add up the bytes that wait, beyond what 32 bits count", () => {
    const queues = create().map((bounds) => bounds.queues);
    const spent = () => queues.map((queue) => queue.spent);
    for (const queue of queues) queue.add(2 ** 38);
    expect(spent()).toEqual([false, false, false]);
    queues[0]?.add(2 ** 38);
    expect(spent()).toEqual([true, true, true]);
    queues[1]?.add(-1);
    expect(spent()).toEqual([false, false, false]);
  });
});
