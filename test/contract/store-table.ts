/** What every table is held to below the store: finding, replacing, exact bytes, and a scan that misses nothing. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import {
  type CreateTable,
  type NewTableEntry,
  type ScanVerdict,
  SET_TIME_SPAN_MS,
  type Table,
  type TableEntry,
} from "../../src/store/api/table.ts";
import { createKeyHash } from "../../src/store/hashing/shard-hash.ts";
import { TestNamespaces } from "../support/test-namespaces.ts";

const hashOf = createKeyHash(createSeededRng(3).uint64());

function entryOf(key: string, parts: Partial<NewTableEntry> = {}): NewTableEntry {
  return {
    record: 1,
    namespace: "n",
    key,
    value: new Uint8Array(0),
    version: 1,
    sourceVersion: 0n,
    freshUntilMs: Infinity,
    staleUntilMs: Infinity,
    setAtMs: 0,
    absent: false,
    tags: [],
    contentType: "",
    contentEncoding: "",
    ...parts,
  };
}

class TableDriver {
  readonly evicted: { readonly key: string; readonly version: number; readonly sourceVersion: bigint }[] = [];
  readonly namespaces = new TestNamespaces();
  readonly table: Table;

  constructor(create: CreateTable, budgetBytes = 1 << 20) {
    const evicted = ({ key, version, sourceVersion }: TableEntry): void => {
      this.evicted.push({ key, version, sourceVersion });
    };
    this.table = create({ budgetBytes, namespaces: this.namespaces, evicted });
  }

  put(key: string, parts: Partial<NewTableEntry> = {}): void {
    const record = this.namespaces.recordOf(parts.namespace ?? "n");
    this.table.put(entryOf(key, { record, ...parts }), hashOf("n", key));
  }

  find(key: string): TableEntry | undefined {
    return this.table.find(this.namespaces.recordOf("n"), "n", key, hashOf("n", key));
  }

  remove(key: string): void {
    const entry = this.find(key);
    if (entry !== undefined) this.table.remove(entry);
  }

  scanAll(verdict: (entry: TableEntry) => ScanVerdict): void {
    for (let at = this.table.scanStart(); at > 0; ) at = this.table.scan(at, 3, verdict);
  }
}

type ScanStep =
  | { readonly do: "put" | "remove"; readonly key: number }
  | { readonly do: "scan"; readonly maxEntries: number };

const scanStep: fc.Arbitrary<ScanStep> = fc.oneof(
  fc.record({ do: fc.constantFrom("put", "remove"), key: fc.nat({ max: 40 }) }),
  fc.record({ do: fc.constant("scan"), maxEntries: fc.nat({ max: 5 }) }),
);

export function tableKeepsEntries(create: CreateTable): void {
  describe("Table.find()", () => {
    it("finds every part of what was put", () => {
      const driver = new TableDriver(create);
      const parts = {
        value: new Uint8Array([1, 2, 3]),
        version: 2 ** 48 - 1,
        sourceVersion: 2n ** 64n - 1n,
        freshUntilMs: 2 ** 47,
        staleUntilMs: 2 ** 47 + 2 ** 39,
        setAtMs: SET_TIME_SPAN_MS - 1,
        absent: true,
        tags: ["t", "ключ", ""],
        contentType: "text/plain",
        contentEncoding: "zstd",
      };
      driver.put("größe", parts);
      const entry = driver.find("größe");
      expect({ ...parts, ...pick(entry) }).toEqual({ ...parts, namespace: "n", key: "größe", staled: false });
    });

    it.each(["", "text/plain"])(
      "keeps an encoding of its own for each put, beside the type '%s'",
      (contentType) => {
        const driver = new TableDriver(create);
        for (const contentEncoding of ["zstd", "", "gzip", "x".repeat(32), ""]) {
          for (const tags of [[], ["a", "b"]]) {
            driver.put("k", { contentType, contentEncoding, tags });
            expect(driver.find("k")).toMatchObject({ contentType, contentEncoding, tags });
          }
        }
      },
    );

    it("counts the bytes of an encoding, and none where there is none", () => {
      const bytes = (parts: { contentType?: string; contentEncoding?: string }) => {
        const driver = new TableDriver(create);
        driver.put("k", { tags: ["t"], ...parts });
        return driver.table.bytes;
      };
      const plain = bytes({ contentType: "text/plain" });
      expect(bytes({ contentType: "text/plain", contentEncoding: "" })).toBe(plain);
      expect(bytes({ contentType: "text/plain", contentEncoding: "x".repeat(32) })).toBeGreaterThanOrEqual(
        plain + 32,
      );
    });

    it("keeps when a value was set, through new lifetimes and until the next put", () => {
      const driver = new TableDriver(create);
      const setAtMs = () => (driver.find("k")?.setAtMs ?? Number.NaN) % SET_TIME_SPAN_MS;
      driver.put("k", { setAtMs: 2 ** 47 - 1, freshUntilMs: 2 ** 47, staleUntilMs: 2 ** 47 + 2 ** 39 });
      expect(setAtMs()).toBe(SET_TIME_SPAN_MS - 1);
      const entry = driver.find("k");
      if (entry === undefined) throw new Error("it must be found");
      driver.table.setLifetimes(entry, Infinity, Infinity);
      expect(setAtMs()).toBe(SET_TIME_SPAN_MS - 1);
      driver.put("k", { setAtMs: 2 ** 32 });
      expect(setAtMs()).toBe(2 ** 32);
    });

    it("finds nothing that was removed or never put", () => {
      const driver = new TableDriver(create);
      driver.put("k");
      driver.remove("k");
      expect(driver.find("k")).toBeUndefined();
      expect(driver.find("l")).toBeUndefined();
      expect(driver.table).toMatchObject({ entryCount: 0 });
    });

    it("gives bytes that stay as they are when entries come and go", () => {
      const driver = new TableDriver(create, 1 << 20);
      driver.put("k", { value: new Uint8Array(1_000).fill(7) });
      const value = driver.find("k")?.value;
      for (let number = 0; number < 3_000; number++)
        driver.put(`f${number}`, { value: new Uint8Array(1_000) });
      expect(driver.evicted.length).toBeGreaterThan(0);
      expect(value?.every((byte) => byte === 7)).toBe(true);
    });

    it("shows new lifetimes and the mark of staleness until the next put", () => {
      const driver = new TableDriver(create);
      driver.put("k");
      const entry = driver.find("k");
      if (entry === undefined) throw new Error("it must be found");
      driver.table.setLifetimes(entry, 10, 20);
      const touched = driver.find("k");
      if (touched === undefined) throw new Error("it must be found");
      driver.table.markStaled(touched);
      expect(pick(driver.find("k"))).toMatchObject({ freshUntilMs: 10, staleUntilMs: 20, staled: true });
      driver.put("k");
      expect(pick(driver.find("k"))).toMatchObject({ freshUntilMs: Infinity, staled: false });
    });
  });

  describe("Table.put()", () => {
    it("replaces without an eviction", () => {
      const driver = new TableDriver(create);
      driver.put("k", { version: 1 });
      driver.put("k", { version: 2 });
      expect(driver.find("k")?.version).toBe(2);
      expect(driver.table.entryCount).toBe(1);
      expect(driver.evicted).toEqual([]);
    });

    it("evicts entries that it has no room for, and reports each of them", () => {
      const budgetBytes = 1 << 20;
      const driver = new TableDriver(create, budgetBytes);
      for (let number = 0; number < 5_000; number++) {
        driver.put(`k${number}`, { value: new Uint8Array((number * 37) % 3_000), version: number + 1 });
        expect(driver.table.bytes).toBeLessThanOrEqual(budgetBytes);
      }
      expect(driver.evicted.length).toBeGreaterThan(1_000);
      expect(driver.table.entryCount + driver.evicted.length).toBe(5_000);
      for (const { key } of driver.evicted) expect(driver.find(key)).toBeUndefined();
    });

    it("evicts an entry at once that could never fit, in the place of its former one", () => {
      const driver = new TableDriver(create, 1 << 17);
      driver.put("k", { version: 1 });
      driver.put("k", { version: 2, sourceVersion: 9n, value: new Uint8Array(1 << 18) });
      expect(driver.find("k")).toBeUndefined();
      expect(driver.evicted).toEqual([{ key: "k", version: 2, sourceVersion: 9n }]);
    });
  });

  describe("Table.scan()", () => {
    it("begins with nothing in an empty table", () => {
      expect(new TableDriver(create).table.scanStart()).toBe(0);
    });

    it("removes and marks entries as the visit says", () => {
      const driver = new TableDriver(create);
      for (let number = 0; number < 10; number++) driver.put(`k${number}`, { version: number + 1 });
      driver.scanAll((entry) => (entry.version <= 3 ? "remove" : entry.version <= 6 ? "markStaled" : "keep"));
      const found = Array.from({ length: 10 }, (_, number) => driver.find(`k${number}`)?.staled);
      expect(found).toEqual([undefined, undefined, undefined, true, true, true, false, false, false, false]);
      expect(driver.table.entryCount).toBe(7);
      expect(driver.evicted).toEqual([]);
    });

    it("visits whatever was there from its start to its end, whatever comes and goes between its slices", () => {
      const scenario = fc.property(
        fc.uniqueArray(fc.nat({ max: 40 })),
        fc.array(scanStep, { maxLength: 60 }),
        fc.nat({ max: 3 }),
        (first, steps, removeEvery) => {
          const driver = new TableDriver(create);
          for (const key of first) driver.put(`k${key}`);
          const steady = new Set(first.map((key) => `k${key}`));
          const visited = new Set<string>();
          const present = new Set(steady);
          const visit = (entry: TableEntry): ScanVerdict => {
            visited.add(entry.key);
            if (removeEvery === 0 || entry.key.length % removeEvery !== 0) return "keep";
            present.delete(entry.key);
            return "remove";
          };
          let at = driver.table.scanStart();
          for (const step of steps) {
            if (step.do === "scan") {
              if (at > 0) at = driver.table.scan(at, step.maxEntries, visit);
              continue;
            }
            const key = `k${step.key}`;
            if (at > 0) steady.delete(key);
            if (step.do === "put") {
              driver.put(key);
              present.add(key);
            } else {
              driver.remove(key);
              present.delete(key);
            }
          }
          while (at > 0) at = driver.table.scan(at, 5, visit);
          expect([...steady].filter((key) => !visited.has(key))).toEqual([]);
          expect(driver.table.entryCount).toBe(present.size);
          for (const key of present) expect(driver.find(key)).toBeDefined();
        },
      );
      fc.assert(scenario, { numRuns: 1_000 });
    });
  });
}

/** The entry's parts as a plain object: an engine may hand out getters. */
function pick(entry: TableEntry | undefined): Partial<TableEntry> {
  if (entry === undefined) return {};
  const { namespace, key, value, version, sourceVersion, freshUntilMs, staleUntilMs } = entry;
  const { setAtMs, staled, absent, tags, contentType, contentEncoding } = entry;
  const parts = { namespace, key, value, version, sourceVersion, freshUntilMs, staleUntilMs };
  return { ...parts, setAtMs, staled, absent, tags, contentType, contentEncoding };
}
