/** The lock: who waits gets it, or is told that it is not to be had. That it excludes is held by threads.test.ts. */
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { LOCK_BYTES, SharedLock } from "../../../src/store/shm/lock.ts";
import { createRegion } from "../../../src/store/shm/region.ts";

describe("SharedLock", () => {
  it("is acquired again after each release", () => {
    const region = createRegion(LOCK_BYTES);
    const [one, other] = [new SharedLock(region), new SharedLock(region)];
    for (let time = 0; time < 3; time++) {
      one.acquire();
      one.release();
      other.acquire();
      other.release();
    }
    expect(new Int32Array(region.buffer)[0]).toBe(0);
  });

  it("wakes a sleeping thread when another one releases it", async () => {
    const region = createRegion(LOCK_BYTES);
    const lock = new SharedLock(region);
    lock.acquire();
    const lockModule = new URL("../../../src/store/shm/lock.ts", import.meta.url).href;
    const worker = new Worker(
      `const { workerData } = require("node:worker_threads");
      void import(workerData.lockModule).then(({ SharedLock }) => {
        const word = new Int32Array(workerData.region.buffer, workerData.region.begin, 1);
        // 2: somebody is asleep.
        while (Atomics.load(word, 0) !== 2);
        new SharedLock(workerData.region).release();
      });`,
      { eval: true, workerData: { region, lockModule } },
    );
    try {
      lock.acquire();
      lock.release();
    } finally {
      await worker.terminate();
    }
  });

  it("throws for a thread that has waited too long, and still works", () => {
    const region = createRegion(LOCK_BYTES);
    const [holder, other] = [new SharedLock(region, 30), new SharedLock(region, 30)];
    holder.acquire();
    const beginMs = performance.now();
    expect(() => other.acquire()).toThrow("a lock was not released within 30 ms");
    expect(performance.now() - beginMs).toBeGreaterThan(25);
    holder.release();
    other.acquire();
    other.release();
  });
});
