import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../../../src/common/random.ts";
import type { NewTableEntry, TableEntry } from "../../../../src/store/api/table.ts";
import { createKeyHash } from "../../../../src/store/hashing/shard-hash.ts";
import { entryBytesAt, headBytesAt } from "../../../../src/store/tables/offheap/entry-header.ts";
import { BUDGET_MIN_BYTES } from "../../../../src/store/tables/offheap/geometry.ts";
import { RING_WORD } from "../../../../src/store/tables/offheap/log-ring.ts";
import { CONTROL } from "../../../../src/store/tables/offheap/memory.ts";
import { createOffheapTable, type OffheapTable } from "../../../../src/store/tables/offheap/offheap-table.ts";
import { checkInvariants } from "../../../support/offheap-invariants.ts";
import { TestNamespaces } from "../../../support/test-namespaces.ts";

const hashOf = createKeyHash(createSeededRng(7).uint64());
const mebibyte = 2 ** 20;

interface Fixture {
  readonly table: OffheapTable;
  readonly evicted: string[];
  put(key: string, value: Uint8Array | string, more?: Partial<NewTableEntry>): void;
  find(key: string, namespace?: string): TableEntry | undefined;
  check(): void;
}

function createFixture(budgetBytes = mebibyte): Fixture {
  const evicted: string[] = [];
  const namespaces = new TestNamespaces();
  const table = createOffheapTable({ budgetBytes, namespaces, evicted: (entry) => evicted.push(entry.key) });
  let version = 0;
  return {
    table,
    evicted,
    put(key, value, more = {}) {
      const entry: NewTableEntry = {
        record: namespaces.recordOf(more.namespace ?? "ns"),
        namespace: "ns",
        key,
        value: typeof value === "string" ? Buffer.from(value) : value,
        version: ++version,
        sourceVersion: 0n,
        freshUntilMs: Infinity,
        staleUntilMs: Infinity,
        setAtMs: 0,
        absent: false,
        tags: [],
        contentType: "",
        contentEncoding: "",
        ...more,
      };
      table.put(entry, hashOf(entry.namespace, key));
    },
    find: (key, namespace = "ns") =>
      table.find(namespaces.recordOf(namespace), namespace, key, hashOf(namespace, key)),
    check: () => checkInvariants(table, hashOf, namespaces),
  };
}

/** What a cursor shows, as an object of its own. */
const copyOf = (entry: TableEntry | undefined) =>
  entry && {
    namespace: entry.namespace,
    key: entry.key,
    value: Buffer.from(entry.value).toString("latin1"),
    version: entry.version,
    sourceVersion: entry.sourceVersion,
    freshUntilMs: entry.freshUntilMs,
    staleUntilMs: entry.staleUntilMs,
    setAtMs: entry.setAtMs,
    staled: entry.staled,
    absent: entry.absent,
    tags: entry.tags,
    contentType: entry.contentType,
    contentEncoding: entry.contentEncoding,
  };

const bytesOf = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

describe("OffheapTable.find()", () => {
  it("gives back every field of what was put", () => {
    const { put, find, check } = createFixture();
    put("k", "value", {
      version: 2 ** 48 - 1,
      sourceVersion: 2n ** 64n - 1n,
      freshUntilMs: 1_763_800_000_123,
      staleUntilMs: 1_763_800_000_123 + 365 * 86_400_000,
      setAtMs: 2 ** 40 - 1,
      tags: ["user:1", "größe", ""],
      contentType: "application/json",
      contentEncoding: "gzip",
    });
    expect(copyOf(find("k"))).toEqual({
      namespace: "ns",
      key: "k",
      value: "value",
      version: 2 ** 48 - 1,
      sourceVersion: 2n ** 64n - 1n,
      freshUntilMs: 1_763_800_000_123,
      staleUntilMs: 1_763_800_000_123 + 365 * 86_400_000,
      setAtMs: 2 ** 40 - 1,
      staled: false,
      absent: false,
      tags: ["user:1", "größe", ""],
      contentType: "application/json",
      contentEncoding: "gzip",
    });
    check();
  });

  it("keeps lifetimes without end, one or both", () => {
    const { put, find } = createFixture();
    put("both", "");
    put("gone", "", { freshUntilMs: 0, staleUntilMs: Infinity });
    put("none", "", { freshUntilMs: 5, staleUntilMs: 5 });
    expect(copyOf(find("both"))).toMatchObject({ freshUntilMs: Infinity, staleUntilMs: Infinity });
    expect(copyOf(find("gone"))).toMatchObject({ freshUntilMs: 0, staleUntilMs: Infinity });
    expect(copyOf(find("none"))).toMatchObject({ freshUntilMs: 5, staleUntilMs: 5 });
  });

  it.each([
    ["ASCII", "user:1"],
    ["Latin-1", "naïve"],
    ["beyond the basic plane", "a🙂b"],
    ["control characters", "\u0000\r\n\u001b[0m"],
    ["the longest key", "k".repeat(512)],
    ["the longest key in three bytes a character", "€".repeat(170)],
    ["__proto__", "__proto__"],
  ])("finds a key of %s", (_, key) => {
    const { put, find, check } = createFixture();
    put(key, "v");
    expect(find(key)?.key).toBe(key);
    check();
  });

  it("tells keys apart whose hashes are equal", () => {
    const { table } = createFixture();
    const entry = {
      record: 1,
      namespace: "ns",
      sourceVersion: 0n,
      freshUntilMs: 1,
      staleUntilMs: 1,
      setAtMs: 0,
      absent: false,
      tags: [],
      contentType: "",
      contentEncoding: "",
    };
    for (let one = 0; one < 20; one++) {
      table.put({ ...entry, key: `k${one}`, value: Buffer.from([one]), version: one + 1 }, 42);
    }
    for (let one = 0; one < 20; one++) expect(table.find(1, "ns", `k${one}`, 42)?.version).toBe(one + 1);
    expect(table.find(1, "ns", "k", 42)).toBeUndefined();
    expect(table.find(2, "ns2", "k1", 42)).toBeUndefined();
    const seen: string[] = [];
    let position = table.scanStart();
    while (position > 0) {
      position = table.scan(position, 3, (scanned) => {
        seen.push(scanned.key);
        return "keep";
      });
    }
    expect(seen.sort()).toEqual(Array.from({ length: 20 }, (_, one) => `k${one}`).sort());
  });

  it("keeps two namespaces apart", () => {
    const { find, put } = createFixture();
    put("key", "1", { namespace: "a" });
    put("akey", "2", { namespace: "a" });
    put("key", "3", { namespace: "aa" });
    expect(copyOf(find("key", "a"))?.value).toBe("1");
    expect(copyOf(find("akey", "a"))?.value).toBe("2");
    expect(copyOf(find("key", "aa"))?.value).toBe("3");
  });

  it("gives values that stay what they were, whatever becomes of the entry", () => {
    const { put, find, evicted } = createFixture(BUDGET_MIN_BYTES);
    put("k", bytesOf(1_000, 1));
    const value = find("k")?.value;
    put("k", bytesOf(1_000, 2));
    expect(value).toEqual(bytesOf(1_000, 1));
    for (let one = 0; one < 200; one++) put(`other${one}`, bytesOf(1_000, 3));
    expect(evicted.length).toBeGreaterThan(0);
    expect(value).toEqual(bytesOf(1_000, 1));
  });
});

describe("OffheapTable.put()", () => {
  it("copies what it is given", () => {
    const { put, find } = createFixture();
    const value = bytesOf(10, 1);
    put("k", value);
    value.fill(9);
    expect(find("k")?.value).toEqual(bytesOf(10, 1));
  });

  it.each([
    ["of the same length, in its place", 100],
    ["longer", 500],
    ["shorter", 1],
    ["empty", 0],
    ["of several segments", 20_000],
  ])("replaces an entry by one %s", (_, length) => {
    const { table, put, find, evicted, check } = createFixture();
    put("k", bytesOf(100, 1), { tags: ["a"], sourceVersion: 3n });
    const found = find("k");
    if (found) table.markStaled(found);
    put("k", bytesOf(length, 2), { tags: ["b"], sourceVersion: 4n });
    expect(copyOf(find("k"))).toMatchObject({
      value: "\x02".repeat(length),
      tags: ["b"],
      sourceVersion: 4n,
      version: 2,
      staled: false,
    });
    expect(table.entryCount).toBe(1);
    expect(evicted).toEqual([]);
    check();
  });

  it("replaces an entry by one as long whose head is too long for its place", () => {
    const { put, find, check } = createFixture(BUDGET_MIN_BYTES);
    put("filler", bytesOf(3_900, 1));
    put("k", bytesOf(2_000, 2));
    put("k", bytesOf(1_000, 3), { tags: ["t".repeat(994)] });
    check();
    put("next", bytesOf(100, 4));
    expect(copyOf(find("k"))).toMatchObject({ value: "\x03".repeat(1_000), tags: ["t".repeat(994)] });
    check();
  });

  it("lets values go on over many segments, and around", () => {
    const { table, put, find, evicted, check } = createFixture();
    for (let one = 0; one < 40; one++) {
      const value = new Uint8Array(100_003 + one);
      for (let byte = 0; byte < value.length; byte++) value[byte] = (byte * 31 + one) & 0xff;
      put(`k${one}`, value);
      expect(find(`k${one}`)?.value).toEqual(value);
      check();
    }
    expect(table.entryCount + evicted.length).toBe(40);
    expect(table.entryCount).toBeGreaterThan(6);
  });

  it("takes a value of nearly the whole budget, and evicts one that could never fit", () => {
    const { table, put, find, evicted, check } = createFixture();
    for (let one = 0; one < 100; one++) put(`k${one}`, bytesOf(1_000, 1));
    put("large", bytesOf(mebibyte - 50_000, 1));
    expect(evicted.length).toBeGreaterThan(50);
    expect(find("large")?.value.length).toBe(mebibyte - 50_000);
    check();
    put("large", bytesOf(mebibyte, 1));
    expect(evicted.at(-1)).toBe("large");
    expect(find("large")).toBeUndefined();
    expect(table.entryCount).toBe(101 - evicted.length);
    check();
  });

  it("evicts at once an entry whose key or tags no head has room for", () => {
    const { put, evicted, check } = createFixture(BUDGET_MIN_BYTES);
    put("k".repeat(70_000), "");
    put("t", "", { tags: ["t".repeat(5_000)] });
    put("u", "", { tags: ["t".repeat(70_000)] });
    expect(evicted).toEqual(["k".repeat(70_000), "t", "u"]);
    check();
  });

  it("never exceeds its budget while 50 times as much goes through", () => {
    const { table, put, evicted, check } = createFixture(4 * BUDGET_MIN_BYTES);
    const rng = createSeededRng(1);
    for (let one = 0; one < 20_000; one++) {
      put(`k${one}`, bytesOf(Math.floor(rng.fraction() * 1_000), 1));
      expect(table.bytes).toBeLessThanOrEqual(table.budgetBytes);
      if (one % 500 === 0) check();
    }
    expect(table.entryCount + evicted.length).toBe(20_000);
    expect(table.bytes).toBeGreaterThan(table.budgetBytes * 0.8);
    expect(new Set(evicted).size).toBe(evicted.length);
  });

  it("grows its index a chunk at a time to 100,000 entries", () => {
    const { table, put, find, evicted, check } = createFixture(16 * mebibyte);
    for (let one = 0; one < 100_000; one++) put(`k${one}`, "v");
    expect(table.entryCount).toBe(100_000);
    expect(evicted).toEqual([]);
    for (let one = 0; one < 100_000; one += 97) expect(find(`k${one}`)?.key).toBe(`k${one}`);
    expect(find("k100000")).toBeUndefined();
    check();
  });
});

describe("OffheapTable's index", () => {
  it("gives its memory back when small entries make way for large ones", () => {
    const { table, put, find, check } = createFixture(4 * mebibyte);
    const indexSegments = (): number => table.memory.word(CONTROL.indexSegments);
    for (let one = 0; one < 50_000; one++) put(`k${one}`, "v");
    const most = indexSegments();
    for (let one = 0; one < 3_000; one++) {
      put(`large${one}`, bytesOf(10_000, 1));
      if (one % 300 === 0) check();
    }
    expect(most).toBeGreaterThan(20);
    expect(indexSegments()).toBeLessThanOrEqual(2);
    for (let one = 0; one < 50_000; one++) put(`k${one}`, "v");
    expect(indexSegments()).toBe(most);
    expect(find("k49999")?.key).toBe("k49999");
    check();
  });

  it("is one chunk again when all is removed", () => {
    const { table, put, check } = createFixture(4 * mebibyte);
    for (let one = 0; one < 20_000; one++) put(`k${one}`, "v");
    let position = table.scanStart();
    while (position > 0) {
      position = table.scan(position, 500, () => "remove");
      check();
    }
    expect(table.entryCount).toBe(0);
    expect(table.bytes).toBe(0);
    expect(table.memory.word(CONTROL.indexSegments)).toBe(1);
    check();
  });
});

describe("OffheapTable.remove(), setLifetimes(), markStaled()", () => {
  it("removes the entry that was found last", () => {
    const { table, put, find, evicted, check } = createFixture();
    put("a", "1");
    put("b", "2");
    const found = find("a");
    if (found) table.remove(found);
    expect(find("a")).toBeUndefined();
    expect(find("b")?.key).toBe("b");
    expect(evicted).toEqual([]);
    check();
  });

  it("refuses an entry that is not the one found last", () => {
    const { table, put, find } = createFixture();
    put("a", "1");
    const found = find("a");
    if (found === undefined) throw new Error("a is missing");
    table.remove(found);
    expect(() => table.remove(found)).toThrow();
    expect(() => table.markStaled({ ...found })).toThrow();
  });

  it("gives lifetimes to an entry that had none, and takes them away", () => {
    const { table, put, find, check } = createFixture();
    put("a", bytesOf(0xabcdef, 0).subarray(0, 77_777));
    const first = find("a");
    if (first) table.setLifetimes(first, 2 ** 41, 2 ** 41 + 2 ** 35);
    expect(copyOf(find("a"))).toMatchObject({
      freshUntilMs: 2 ** 41,
      staleUntilMs: 2 ** 41 + 2 ** 35,
      version: 1,
    });
    expect(find("a")?.value.length).toBe(77_777);
    const second = find("a");
    if (second) table.setLifetimes(second, Infinity, Infinity);
    expect(copyOf(find("a"))).toMatchObject({ freshUntilMs: Infinity, staleUntilMs: Infinity, version: 1 });
    check();
  });

  it("keeps a mark until the next put, through moves too", () => {
    const { table, put, find, check } = createFixture(BUDGET_MIN_BYTES);
    put("a", "1");
    const found = find("a");
    if (found) table.markStaled(found);
    for (let one = 0; one < 500; one++) {
      put(`other${one}`, bytesOf(200, 1));
      expect(find("a")?.staled).toBe(true);
    }
    put("a", "2");
    expect(find("a")?.staled).toBe(false);
    check();
  });

  it("uses the space of removed entries before it evicts live ones", () => {
    const { table, put, find, evicted, check } = createFixture();
    for (let one = 0; one < 3_000; one++) put(`k${one}`, bytesOf(250, 1));
    expect(evicted).toEqual([]);
    for (let one = 0; one < 3_000; one += 2) {
      const found = find(`k${one}`);
      if (found) table.remove(found);
    }
    for (let one = 0; one < 1_200; one++) put(`new${one}`, bytesOf(250, 1));
    expect(evicted).toEqual([]);
    expect(table.entryCount).toBe(2_700);
    check();
  });
});

describe("OffheapTable eviction", () => {
  it("keeps what is read through a scan of keys that come once", () => {
    const { put, find } = createFixture();
    for (let one = 0; one < 1_000; one++) put(`hot${one}`, bytesOf(200, 1));
    for (let round = 0; round < 20; round++) {
      for (let one = 0; one < 1_000; one++) expect(find(`hot${one}`)?.key).toBe(`hot${one}`);
      for (let one = 0; one < 1_000; one++) put(`once${round}-${one}`, bytesOf(200, 1));
    }
  });

  it("lets what returns soon after its eviction into the main ring", () => {
    const { table, put, evicted } = createFixture();
    for (let one = 0; one < 6_000; one++) put(`k${one}`, bytesOf(200, 1));
    const lately = evicted.slice(-100);
    expect(table.main.entries).toBe(0);
    for (const key of lately) put(key, bytesOf(200, 1));
    expect(table.main.entries).toBe(100);
  });

  it("shows an evicted entry whole while it reports it", () => {
    const seen: unknown[] = [];
    const table = createOffheapTable({
      budgetBytes: BUDGET_MIN_BYTES,
      namespaces: new TestNamespaces(),
      evicted: (entry) => seen.push(copyOf(entry)),
    });
    for (let one = 0; one < 100; one++) {
      table.put(
        {
          record: 0,
          namespace: "ns",
          key: `k${one}`,
          value: bytesOf(1_500, one),
          version: one + 1,
          sourceVersion: BigInt(one),
          freshUntilMs: one,
          staleUntilMs: one * 2,
          setAtMs: one + 3,
          absent: false,
          tags: ["t"],
          contentType: "c",
          contentEncoding: "",
        },
        hashOf("ns", `k${one}`),
      );
    }
    expect(seen.length + table.entryCount).toBe(100);
    expect(seen[1]).toEqual({
      namespace: "ns",
      key: "k1",
      value: "\x01".repeat(1_500),
      version: 2,
      sourceVersion: 1n,
      freshUntilMs: 1,
      staleUntilMs: 2,
      setAtMs: 4,
      staled: false,
      absent: false,
      tags: ["t"],
      contentType: "c",
      contentEncoding: "",
    });
  });

  it("moves a bounded number of entries for one put, even when all were used", () => {
    const { table, put, find, evicted, check } = createFixture(8 * mebibyte);
    let keys = 0;
    while (evicted.length === 0) put(`k${keys++}`, bytesOf(200, 1));
    for (let lap = 0; lap < 4; lap++) for (let one = 0; one < keys; one++) find(`k${one}`);
    let movedMax = 0;
    for (let one = 0; one < 1_000; one++) {
      const before = table.main.entries;
      put(`new${one}`, bytesOf(200, 1));
      movedMax = Math.max(movedMax, table.main.entries - before);
    }
    expect(keys).toBeGreaterThan(30_000);
    expect(movedMax).toBeGreaterThan(1_000);
    expect(movedMax).toBeLessThanOrEqual(8_192);
    check();
  });
});

describe("OffheapTable.scan()", () => {
  it("begins nowhere in an empty table", () => {
    expect(createFixture().table.scanStart()).toBe(0);
  });

  it.each([1, 7, 100, 10_000])("visits each entry once, %i at a time at most", (maxEntries) => {
    const { table, put } = createFixture();
    for (let one = 0; one < 3_000; one++) put(`k${one}`, "v");
    const seen = new Set<string>();
    let position = table.scanStart();
    while (position > 0) {
      let visits = 0;
      position = table.scan(position, maxEntries, (entry) => {
        visits++;
        expect(seen.has(entry.key)).toBe(false);
        seen.add(entry.key);
        return "keep";
      });
      expect(visits).toBeLessThanOrEqual(maxEntries);
    }
    expect(seen.size).toBe(3_000);
  });

  it("removes and marks what the visitor says", () => {
    const { table, put, find, check } = createFixture();
    for (let one = 0; one < 2_000; one++) put(`k${one}`, "v", { version: one + 1 });
    let position = table.scanStart();
    while (position > 0) {
      position = table.scan(position, 64, (entry) => {
        if (entry.version % 3 === 0) return "remove";
        return entry.version % 3 === 1 ? "markStaled" : "keep";
      });
      check();
    }
    for (let one = 0; one < 2_000; one++) {
      expect(find(`k${one}`)?.staled).toBe([undefined, true, false][(one + 1) % 3]);
    }
  });

  it("misses nothing that stays, while entries move, leave and come", () => {
    const { table, put, find, check } = createFixture(4 * mebibyte);
    const stays = Array.from({ length: 1_000 }, (_, one) => `stay${one}`);
    for (const key of stays) put(key, bytesOf(100, 1));
    for (let one = 0; one < 3_000; one++) put(`old${one}`, bytesOf(100, 1));
    const seen = new Set<string>();
    let others = 0;
    let position = table.scanStart();
    while (position > 0) {
      position = table.scan(position, 20, (entry) => {
        seen.add(entry.key);
        return entry.key.startsWith("old") ? "remove" : "keep";
      });
      for (const key of stays) find(key);
      for (let one = 0; one < 200; one++) put(`other${others++}`, bytesOf(100, 1));
    }
    expect(stays.filter((key) => !seen.has(key))).toEqual([]);
    expect(table.main.entries).toBeGreaterThan(0);
    check();
  });
});

describe("createOffheapTable()", () => {
  it.each([0, BUDGET_MIN_BYTES - 1, 2 ** 31, Number.NaN, 100_000.5])(
    "refuses a budget of %d bytes",
    (budget) => {
      expect(() =>
        createOffheapTable({ budgetBytes: budget, namespaces: new TestNamespaces(), evicted: () => {} }),
      ).toThrow(
        expect.objectContaining({
          reason: "FIELD_INVALID",
          detail: expect.objectContaining({ field: "budgetBytes" }),
        }),
      );
    },
  );

  it.each([BUDGET_MIN_BYTES, 100_001, 5_000_000])(
    "keeps its buffer within a budget of %d bytes",
    (budget) => {
      const table = createOffheapTable({
        budgetBytes: budget,
        namespaces: new TestNamespaces(),
        evicted: () => {},
      });
      expect(table.memory.buffer.byteLength).toBeLessThanOrEqual(budget);
      expect(table.memory.buffer.byteLength).toBeGreaterThan(budget * 0.93);
    },
  );
});

it("a ring has neither head nor tail when its last entry ended with its segment, and has moved to the other ring", () => {
  const probe = createFixture();
  probe.put("k", "");
  const headBytes = headBytesAt(probe.table.memory, probe.table.small.tail());
  const { table, put } = createFixture();
  const { memory, pool, small, main } = table;
  put("k", bytesOf(pool.geometry.segmentBytes - headBytes, 1));
  expect(entryBytesAt(memory, small.tail())).toBe(pool.geometry.segmentBytes);
  small.moveTail(main);
  expect(small.tail()).toBe(0);
  expect(memory.word(CONTROL.smallRing + RING_WORD.headSegment)).toBe(0);
  expect([small.segments, main.segments]).toEqual([0, 1]);
});
