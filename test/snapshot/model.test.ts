/** A store that is written down and loaded again and again, held to what a store without a restart answers. */
import { describe, expect } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import type { Store } from "../../src/store/api/store.ts";
import { attachStore, type StoreMemory } from "../../src/store/engine/create-store.ts";
import { storeFollowsModel } from "../contract/store-model.ts";
import { bytesOf, loadBytes, ownStore } from "../support/snapshot-bytes.ts";

describe("a store over restarts", () => {
  const memories = new WeakMap<Store, StoreMemory>();
  let restarts = 0;
  storeFollowsModel(
    (options) => {
      const { clock, rng } = options;
      if (clock === undefined || rng === undefined) throw new Error("the model gives both");
      const { memory, store } = ownStore({ ...small, ...options, clock, rng });
      memories.set(store, memory);
      return store;
    },
    {
      runs: 300,
      commandsPerRun: 200,
      restart(former, clock, next) {
        const memory = memories.get(former);
        if (memory === undefined) throw new Error("the store was made here");
        restarts += 1;
        const rng = createSeededRng(FIRST_SEED_OF_RESTARTS + restarts);
        const options = { ...small, shards: former.shardCount, clock: next, rng };
        const loaded = loadBytes(bytesOf(memory, clock), options);
        expect(loaded.outcome).toMatchObject({ kind: "loaded" });
        const store = attachStore(loaded.memory, options);
        memories.set(store, loaded.memory);
        return store;
      },
    },
  );
});

/** Beyond the seeds of the runs: with the same seed a store would begin with the same epoch. */
const FIRST_SEED_OF_RESTARTS = 2 ** 31;

const small = { budgetBytes: 2 ** 21, logMaxBytes: 65_536, tombstonesMax: 1_024, leasesMax: 1_024 };
