import { describe, expect, it } from "vitest";
import type { Change } from "../../../src/client/coherence/coherence.ts";
import { ShardIndexes } from "../../../src/client/near-cache/tag-index.ts";

interface Entry {
  readonly key: string;
  readonly shard: number;
  readonly tags: readonly string[];
}

const changeOf = (target: Change["target"], name: string, shard = 0): Change => ({
  shard,
  revision: 1,
  namespace: "n",
  target,
  name,
});

function start() {
  const entries = [
    { key: "user:1", shard: 0, tags: ["a", "b"] },
    { key: "user:2", shard: 0, tags: ["b"] },
    { key: "note:1", shard: 0, tags: [] },
    // No entry is in shard 1, so that one index is missing.
    { key: "user:3", shard: 2, tags: ["a"] },
  ];
  const indexes = new ShardIndexes<Entry>(entries);
  const keys = (found: Iterable<Entry>) => Array.from(found, ({ key }) => key);
  return { indexes, entries, keys };
}

describe("ShardIndexes", () => {
  it("finds the entries of one shard by tag, prefix and namespace", () => {
    const { indexes, keys } = start();
    expect(keys(indexes.matching(changeOf("tag", "b")))).toEqual(["user:1", "user:2"]);
    expect(keys(indexes.matching(changeOf("tag", "a", 2)))).toEqual(["user:3"]);
    expect(keys(indexes.matching(changeOf("prefix", "user:")))).toEqual(["user:1", "user:2"]);
    expect(keys(indexes.matching(changeOf("all", "")))).toEqual(["user:1", "user:2", "note:1"]);
  });

  it("finds nothing for a key, an unknown tag or a shard without entries", () => {
    const { indexes, keys } = start();
    expect(keys(indexes.matching(changeOf("key", "user:1")))).toEqual([]);
    expect(keys(indexes.matching(changeOf("tag", "c")))).toEqual([]);
    expect(keys(indexes.matching(changeOf("all", "", 1)))).toEqual([]);
    expect(keys(indexes.matching(changeOf("all", "", 9)))).toEqual([]);
  });

  it("finds the entries of all shards", () => {
    const { indexes, keys } = start();
    expect(keys(indexes.matchingInAll("tag", "a"))).toEqual(["user:1", "user:3"]);
    expect(keys(indexes.matchingInAll("all", ""))).toEqual(["user:1", "user:2", "note:1", "user:3"]);
  });

  it("lets the caller remove entries while it iterates", () => {
    for (const target of ["tag", "prefix", "all"] as const) {
      const { indexes, entries, keys } = start();
      const name = { tag: "a", prefix: "user:", all: "" }[target];
      for (const entry of indexes.matchingInAll(target, name)) indexes.remove(entry);
      expect(keys(indexes.matchingInAll(target, name))).toEqual([]);
      const left = entries.filter(({ key }) => target !== "all" && key === "note:1");
      expect(keys(indexes.matchingInAll("prefix", "note:"))).toEqual(left.map(({ key }) => key));
    }
  });
});
