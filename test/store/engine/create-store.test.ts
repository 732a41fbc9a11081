/** The options of a store. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { CacheError } from "../../../src/common/errors.ts";
import type { Store } from "../../../src/store/api/store.ts";
import { attachStore, createStore, createStoreMemory } from "../../../src/store/engine/create-store.ts";
import { resolveStoreOptions, type StoreOptions } from "../../../src/store/engine/store-options.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const ofPrefix = {
  namespace: "n",
  target: { kind: "prefix", prefix: "p/" },
  soft: false,
  sourceVersion: 0n,
  writer: { origin: "", traceparent: "" },
} as const;

describe("resolveStoreOptions()", () => {
  it("has a default for everything", () => {
    expect(resolveStoreOptions()).toMatchObject({
      engine: "offheap",
      shards: 16,
      budgetBytes: 268_435_456,
      logMaxEvents: 65_536,
      logMaxBytes: 8_388_608,
      tagFencesMax: 8_192,
      prefixFencesMax: 64,
      tombstonesMax: 65_536,
      leasesMax: 16_384,
      waitersMax: 1_024,
      requestIdsMax: 4_096,
    });
  });

  it.each<[keyof StoreOptions, Partial<StoreOptions>, string]>([
    ["shards", { shards: 0 }, "a whole number from 1 to 256"],
    ["shards", { shards: 257 }, "a whole number from 1 to 256"],
    ["shards", { shards: 1.5 }, "a whole number from 1 to 256"],
    ["shards", { shards: Number.NaN }, "a whole number from 1 to 256"],
    ["budgetBytes", { budgetBytes: 65_536 * 16 - 1 }, "a whole number from 1048576 to 34358689792"],
    ["budgetBytes", { budgetBytes: 2 ** 35 }, "a whole number from 1048576 to 34358689792"],
    ["budgetBytes", { budgetBytes: 2 ** 40, shards: 256 }, "a whole number from 16777216 to 549739036672"],
    ["budgetBytes", { budgetBytes: 2 ** 40, engine: "lru" }, "a whole number from 1048576 to 549739036672"],
    ["logMaxEvents", { logMaxEvents: 0 }, "a whole number from 1 to 16777216"],
    ["logMaxBytes", { logMaxBytes: 4_095 }, "a whole number from 4096 to 1073741824"],
    ["tagFencesMax", { tagFencesMax: 0 }, "a whole number from 1 to 1048576"],
    ["prefixFencesMax", { prefixFencesMax: 0 }, "a whole number from 1 to 1024"],
    ["tombstonesMax", { tombstonesMax: -1 }, "a whole number from 1 to 16777216"],
    ["leasesMax", { leasesMax: 0 }, "a whole number from 1 to 1048576"],
    ["waitersMax", { waitersMax: -1 }, "a whole number from 0 to 65536"],
    ["requestIdsMax", { requestIdsMax: 0 }, "a whole number from 1 to 1048576"],
  ])("refuses %s of %o, naming its range", (field, options, bound) => {
    const refused = (): unknown => resolveStoreOptions(options);
    expect(refused).toThrow(CacheError);
    expect(refused).toThrow(expect.objectContaining({ reason: "FIELD_INVALID", detail: { field, bound } }));
  });
});

describe("createStore()", () => {
  it("spreads the budget over the shards and never beyond it", () => {
    const store = createStore({ shards: 3, budgetBytes: 1_000_000 });
    const budgets = store.shards().map((shard) => shard.budgetBytes);
    expect(budgets).toEqual([333_333, 333_333, 333_333]);
    expect(store.shardCount).toBe(3);
  });

  it("is another epoch every time", () => {
    expect(createStore().epoch).not.toBe(createStore().epoch);
  });
});

describe("createStoreMemory()", () => {
  it.runIf(process.platform === "linux")("says so when the system has no room for it", () => {
    const source = `
      import { createStore } from "${new URL("../../../src/store/engine/create-store.ts", import.meta.url)}";
      try {
        createStore({ shards: 16, logMaxBytes: 2 ** 30 });
      } catch (error) {
        console.log(error.name, error.reason, error.detail.limit, error.cause.name);
      }`;
    const node = `ulimit -v ${12 * 2 ** 20} && exec "$0" --input-type=module-typescript --eval "$1"`;
    const { stdout, stderr } = spawnSync("sh", ["-c", node, process.execPath, source], { encoding: "utf8" });
    expect([stdout, stderr]).toEqual(["CacheError LIMIT_EXCEEDED memory RangeError\n", ""]);
  });
});

describe("attachStore()", () => {
  it("refuses threads that the memory was not made for", () => {
    const memory = createStoreMemory({ shards: 1 }, 3);
    const send = (): void => {};
    expect(() => attachStore(memory)).toThrow(RangeError);
    for (const [self, count] of [
      [0, 2],
      [0, 4],
      [3, 3],
      [-1, 3],
    ] as const) {
      expect(() => attachStore(memory, { threads: { self, count, send } })).toThrow(RangeError);
    }
    expect(attachStore(memory, { threads: { self: 2, count: 3, send } }).epoch).toBe(memory.epoch);
  });
});

describe("a store of several shards", () => {
  it.each<[string, (store: Store) => void]>([
    [
      "a read",
      (store) => store.get({ namespace: "n", key: "k", ifVersion: 0, ifEpoch: 0n, allowStale: false }),
    ],
    ["an invalidation of all shards", (store) => store.invalidate(ofPrefix)],
  ])("reads the clocks once for %s", (_, run) => {
    let [monotonic, wall] = [0, 0];
    class CountingClock extends ManualClock {
      override nowMs(): number {
        monotonic++;
        return super.nowMs();
      }
      override wallMs(): number {
        wall++;
        return super.wallMs();
      }
    }
    const store = createStore({ shards: 8, clock: new CountingClock() });
    // The first operation of a shard sets how far its clocks are apart.
    store.invalidate(ofPrefix);
    [monotonic, wall] = [0, 0];
    run(store);
    expect([monotonic, wall]).toEqual([1, 1]);
  });
});
