/** What the engine is told of entries, and what random commands do not reach. */
import { expect } from "vitest";
import { int64Sums } from "../../support/engine/int64-sums.ts";
import { loadLibrary, verify } from "../../support/engine/test-library.ts";
import type { Scenarios } from "./scenario.ts";

const TEN_YEARS_MS = 315_360_000_000;
const MINUTE_MS = 60_000;

export const entryScenarios: Scenarios = {
  "expire in the engine when they are gone, and a minute later with a source version": async ({
    driver,
    connection,
  }) => {
    const expiry = (key: string) => connection.call("PEXPIRETIME", `${driver.shard.keys.entries}n\0${key}`);
    await driver.set("plain", { ttlMs: 10, staleMs: 20 });
    expect(await expiry("plain")).toBe(driver.nowMs + 30);
    await driver.set("sourced", { ttlMs: 10, sourceVersion: 5n });
    expect(await expiry("sourced")).toBe(driver.nowMs + 10 + MINUTE_MS);
    await driver.set("endless");
    expect(await expiry("endless")).toBe(driver.nowMs + TEN_YEARS_MS);
    await driver.touch("endless", 5, 6);
    expect(await expiry("endless")).toBe(driver.nowMs + 11);
    await driver.touch("sourced", 5);
    expect(await expiry("sourced")).toBe(driver.nowMs + 5 + MINUTE_MS);
  },

  "are remembered by their source version for a minute after their end": async ({ driver }) => {
    await driver.set("k", { ttlMs: 10, sourceVersion: 5n });
    await driver.advance(10 + MINUTE_MS - 1);
    expect(await driver.read("k")).toBeUndefined();
    expect(await driver.set("k", { sourceVersion: 4n })).toBe("olderSourceVersion");
    await driver.advance(1);
    expect(await driver.set("k", { sourceVersion: 4n })).toBe("stored");
  },

  "are answered again after the library is loaded again": async ({ driver, connection, library }) => {
    const set = (requestId: bigint) => driver.set("k", { requestId, condition: { kind: "ifAbsent" } });
    const reload = async () => {
      await loadLibrary(connection, library);
      await driver.advance(0);
      await verify(connection);
    };
    expect(await set(1n)).toBe("stored");
    await reload();
    expect(await set(1n)).toBe("stored");
    await driver.advance(MINUTE_MS - 1);
    await reload();
    expect(await set(1n)).toBe("stored");
    expect(await set(2n)).toBe("exists");
    // Both halves are from other minutes now.
    await driver.advance(2 * MINUTE_MS);
    await reload();
    expect(await set(3n)).toBe("exists");
    const root = driver.shard.keys.head.slice(0, -1);
    const fields = await Promise.all(["q0", "q1"].map((half) => connection.call("HLEN", root + half)));
    expect(fields.map(Number).toSorted()).toEqual([2, 2]);
  },

  "leave request ids and tombstones in tables, also the first ones": async ({ driver, connection }) => {
    await driver.set("k", { requestId: 1n });
    await driver.invalidate({ kind: "keys", keys: ["k"] }, { sourceVersion: 5n });
    const root = driver.shard.keys.head.slice(0, -1);
    const half = Math.floor(driver.nowMs / MINUTE_MS) % 2;
    for (const kind of ["q", "t"]) {
      expect(await connection.text("OBJECT", "ENCODING", `${root}${kind}${half}`)).toBe("hashtable");
    }
  },

  "do not come back when the engine's clock goes back": async ({ driver, connection }) => {
    await driver.set("k", { ttlMs: 1_000 });
    await driver.advance(1_000);
    await driver.set("other");
    await driver.advance(-500);
    await expect(driver.read("k")).rejects.toThrow(/^SUSPECT/);
    await verify(connection);
    expect(await driver.read("k")).toBeUndefined();
    await driver.set("young", { ttlMs: 100 });
    await driver.advance(99);
    expect(await driver.read("young")).toBe("v");
  },

  "have long texts and tags in front of their value": async ({ driver }) => {
    const tags = Array.from({ length: 16 }, (_, index) => `${index}`.padEnd(128, "t"));
    await driver.set("k", { value: "value", tags, contentType: "x".repeat(255) });
    const got = await driver.get("k");
    expect(got.kind === "hit" && got.entry).toMatchObject({ tags, contentType: "x".repeat(255) });
    expect(await driver.read("k")).toBe("value");
    await driver.set("other");
    await driver.invalidateTags("nobody's");
    expect(await driver.read("k")).toBe("value");
    await driver.invalidateTags(tags[15] ?? "");
    expect(await driver.read("k")).toBeUndefined();
  },

  "add as int64 do": async ({ driver }) => {
    for (const [value, delta] of int64Sums) {
      await driver.set("k", { value: String(value) });
      const sum = value + delta;
      const isInt64 = BigInt.asIntN(64, sum) === sum;
      expect(await driver.increment("k", delta), `${value} + ${delta}`).toBe(isInt64 ? sum : "overflow");
    }
  },

  "that sweeps go by are freed, and fences are not asked for any more": async ({ driver, connection }) => {
    const newest = async () => {
      const head = await driver.shard.readHead();
      return [head?.newestTag, head?.newestPrefix];
    };
    await driver.set("a/1", { sourceVersion: 3n });
    await driver.set("a/2", { tags: ["t"], staleMs: 500, ttlMs: 500 });
    await driver.set("b");
    await driver.invalidatePrefix("a/1");
    await driver.invalidate({ kind: "tags", tags: ["t"] }, { soft: true });
    expect(await newest()).not.toContain(0);
    expect(await driver.read("a/2", { allowStale: true })).toBe("v");
    await driver.shard.sweep();
    expect(await newest()).toEqual([0, 0]);
    expect(await connection.call("EXISTS", `${driver.shard.keys.entries}n\0a/1`)).toBe(0);
    expect(await driver.read("a/2")).toBeUndefined();
    expect(await driver.read("a/2", { allowStale: true })).toBe("v");
    expect(await driver.read("b")).toBe("v");
    expect(await driver.set("a/1", { sourceVersion: 2n })).toBe("olderSourceVersion");
  },

  "keep a fence that is newer than the sweep": async ({ driver }) => {
    await driver.set("a/1");
    const head = await driver.shard.readHead();
    await driver.invalidatePrefix("a/");
    expect(await driver.shard.swept(head?.epoch ?? 0n, head?.revision ?? 0)).toBe(true);
    expect(await driver.read("a/1")).toBeUndefined();
    expect(await driver.shard.swept((head?.epoch ?? 0n) + 1n, (head?.revision ?? 0) + 1)).toBe(false);
    expect(await driver.read("a/1")).toBeUndefined();
  },

  "are granted for filling to one at a time, and to nobody from before a sweep that dropped a fence": async ({
    driver,
  }) => {
    expect((await driver.lease("a/1", 7n)).kind).toBe("granted");
    expect(await driver.lease("a/1", 8n)).toMatchObject({ kind: "held", retryAfterMs: 1_000 });
    await driver.invalidatePrefix("a/");
    await driver.shard.sweep();
    const condition = { kind: "lease", token: 7n } as const;
    expect(await driver.set("a/1", { condition })).toBe("leaseLost");
    expect((await driver.lease("a/1", 9n)).kind).toBe("granted");
  },
};
