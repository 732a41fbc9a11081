import { describe, expect, it } from "vitest";
import {
  entryName,
  layoutId,
  readLayout,
  shardKeys,
  shardTag,
  slotOfShard,
  TIER_SHARDS,
  writeLayout,
} from "../../../src/tier/library/keys.ts";
import { describeEngines } from "../../support/engine/describe-engines.ts";

const SLOTS = 16_384;
const shards = Array.from({ length: TIER_SHARDS }, (_, shard) => shard);

describe("the shards of the tier", () => {
  it("are one in each even share of the slots", () => {
    expect(shards.map((shard) => Math.floor((slotOfShard(shard) * TIER_SHARDS) / SLOTS))).toEqual(shards);
  });

  it("are no others", () => {
    expect(() => shardTag(TIER_SHARDS)).toThrow(RangeError);
  });

  it("have a layout that all servers read alike", () => {
    const layout = { shards: TIER_SHARDS, seed: 2n ** 64n - 1n };
    const bytes = writeLayout(layout);
    expect(readLayout(bytes)).toEqual(layout);
    expect(layoutId(bytes)).toHaveLength(4);
    expect(layoutId(bytes)).not.toEqual(layoutId(writeLayout({ ...layout, seed: 1n })));
    expect(readLayout(Buffer.from(bytes).fill(2, 0, 1))).toBeUndefined();
    expect(readLayout(bytes.subarray(1))).toBeUndefined();
  });
});

describeEngines("the slots of the shards", (engine) => {
  it("are those that the engine computes", async () => {
    for (const shard of shards) {
      const { head, stream, entries } = shardKeys(shard);
      for (const key of [head, stream, entries + entryName("n", "{k}")]) {
        expect(await engine.connection.call("CLUSTER", "KEYSLOT", key)).toBe(slotOfShard(shard));
      }
    }
  });
});
