/** What is kept of a shard beside its entries is bounded. What a bound drops invalidates too much, never too little. */
import { expect } from "vitest";
import type { LibraryPart } from "../../../src/tier/library/source.ts";
import type { Scenarios } from "./scenario.ts";

const TAGS = 4;
const PREFIXES = 3;
const RECORDS = 3;
const BUCKET = 4;
const LEASES = 3;

const SMALL: Partial<Record<LibraryPart, readonly (readonly [name: string, value: number])[]>> = {
  fences: [
    ["TAGS_MAX", TAGS],
    ["PREFIXES_MAX", PREFIXES],
  ],
  namespaces: [["RECORDS_MAX", RECORDS]],
  buckets: [["BUCKET_MAX", BUCKET]],
  leases: [["LEASES_MAX", LEASES]],
};

/** The library with bounds that a test reaches. */
export function smallBounds(text: string, part: LibraryPart): string {
  return (SMALL[part] ?? []).reduce((changed, [name, value]) => {
    const bound = new RegExp(`local ${name} = \\d+`);
    if (!bound.test(changed)) throw new Error(`no bound ${name} in ${part}`);
    return changed.replace(bound, `local ${name} = ${value}`);
  }, text);
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

export const boundsScenarios: Scenarios = {
  "on fences of tags: what is dropped covers all tags of its namespace, and no other": async ({ driver }) => {
    await driver.set("covered", { tags: ["t"] });
    await driver.set("untouched", { tags: ["u"] });
    await driver.set("plain");
    await driver.set("other", { namespace: "m", tags: ["t"] });
    await driver.invalidateTags("t");
    // Two generations: the first is dropped when the third begins.
    for (const number of numbers(2 * TAGS + 1)) {
      await driver.invalidateTags(`other-${number}`);
      expect(await driver.read("covered")).toBeUndefined();
    }
    expect(await driver.read("untouched")).toBeUndefined();
    expect(await driver.read("plain")).toBe("v");
    expect(await driver.read("other", { namespace: "m" })).toBe("v");
    await driver.set("young", { tags: ["t"] });
    expect(await driver.read("young")).toBe("v");
  },

  "on fences of tags: a namespace that raises none for long keeps its floor": async ({ driver }) => {
    await driver.set("covered", { tags: ["t"] });
    await driver.invalidateTags("t");
    for (const number of numbers(5 * TAGS)) {
      await driver.invalidate({ kind: "tags", tags: [`t-${number}`] }, { namespace: "m" });
    }
    expect(await driver.read("covered")).toBeUndefined();
  },

  "on fences of prefixes: two become one, or the namespace is cleared": async ({ driver }) => {
    const keys = ["a/1/x", "a/2/x", "b/x", "c/x", "d/x"];
    for (const key of keys) await driver.set(key);
    for (const prefix of ["a/1", "b", "c", "a/2"]) await driver.invalidatePrefix(prefix);
    for (const key of ["a/1/x", "a/2/x", "b/x", "c/x"]) expect(await driver.read(key), key).toBeUndefined();
    expect(await driver.read("d/x")).toBe("v");
    await driver.set("e/x");
    await driver.set("a/3");
    await driver.invalidatePrefix("z");
    expect(await driver.read("e/x"), "nothing in common: cleared").toBeUndefined();
    await driver.set("e/x");
    expect(await driver.read("e/x")).toBe("v");
  },

  "on fences of prefixes: a soft one that is merged with a hard one is hard": async ({ driver }) => {
    const lifetimes = { ttlMs: 1_000, staleMs: 1_000 };
    await driver.set("a/2/x", lifetimes);
    for (const prefix of ["a/2", "b", "c"]) await driver.invalidatePrefix(prefix);
    await driver.invalidate({ kind: "prefix", prefix: "a/1" }, { soft: true });
    expect(await driver.read("a/2/x", { allowStale: true })).toBeUndefined();
  },

  "on namespaces: those beyond share a record, and the others are not concerned": async ({ driver }) => {
    const own = numbers(RECORDS).map((number) => `own-${number}`);
    for (const namespace of own) {
      await driver.invalidate({ kind: "all" }, { namespace });
      await driver.set("k", { namespace });
    }
    await driver.set("k", { namespace: "late" });
    await driver.set("k", { namespace: "later" });
    await driver.invalidate({ kind: "prefix", prefix: "x" }, { namespace: "late" });
    expect(await driver.read("k", { namespace: "late" })).toBeUndefined();
    expect(await driver.read("k", { namespace: "later" })).toBeUndefined();
    for (const namespace of own) expect(await driver.read("k", { namespace })).toBe("v");
    await driver.set("k", { namespace: "late" });
    expect(await driver.read("k", { namespace: "late" })).toBe("v");
  },

  "on request ids: at least so many of the last minute are known": async ({ driver, connection }) => {
    const set = (requestId: bigint) =>
      driver.set(`k-${requestId}`, { requestId, condition: { kind: "ifAbsent" } });
    const sets = 3 * BUCKET + 2;
    for (const number of numbers(sets)) expect(await set(BigInt(number + 1))).toBe("stored");
    const last = BigInt(sets);
    for (const number of numbers(BUCKET)) expect(await set(last - BigInt(number))).toBe("stored");
    expect(await set(1n)).toBe("exists");
    const root = driver.shard.keys.head.slice(0, -1);
    for (const half of ["q0", "q1"]) {
      expect(Number(await connection.call("HLEN", root + half))).toBeLessThanOrEqual(BUCKET + 2);
    }
  },

  "on leases: one more is refused while all others hold": async ({ driver }) => {
    for (const number of numbers(LEASES)) {
      expect((await driver.lease(`k-${number}`, 1n, 50)).kind).toBe("granted");
    }
    expect(await driver.lease("more", 1n)).toMatchObject({ kind: "held", retryAfterMs: 100 });
    await driver.advance(50);
    expect((await driver.lease("more", 1n)).kind).toBe("granted");
  },
};
