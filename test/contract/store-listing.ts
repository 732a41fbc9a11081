/** What every engine does with listings: pages, prefixes, what is gone, and a property against the naive store. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KeyView, ListKeysCommand, ListPosition, Store } from "../../src/store/api/store.ts";
import { type CreateStoreUnderTest, StoreDriver } from "../support/store-driver.ts";

/** All pages, one after the other. `between` is called after each one. */
function listAll(
  store: Store,
  { prefix = "", maxKeys = 1_000, namespace = "n" }: Partial<ListKeysCommand> = {},
  between: (page: readonly KeyView[]) => void = () => {},
): KeyView[] {
  const found: KeyView[] = [];
  let from: ListPosition | undefined;
  for (let pages = 0; pages < 100_000; pages += 1) {
    const page = store.listKeys({ namespace, prefix, maxKeys, from });
    found.push(...page.keys);
    between(page.keys);
    from = page.next;
    if (from === undefined) return found;
  }
  throw new Error("the listing never ends");
}

const namesOf = (keys: readonly KeyView[]): string[] => [...new Set(keys.map(({ key }) => key))].sort();

export function storeListsKeys(create: CreateStoreUnderTest): void {
  describe("Store.listKeys()", () => {
    it("says version, size and lifetimes, of the namespace and the prefix alone", () => {
      const driver = new StoreDriver(create, { shards: 2 });
      driver.set("a/1", { value: "12345", ttlMs: 100, staleMs: 50 });
      driver.set("a/2", { absent: true, value: "" });
      driver.set("b/1");
      driver.set("a/1", { namespace: "other" });
      driver.clock.advance(40);
      const listed = listAll(driver.store, { prefix: "a/" }).sort((a, b) => a.key.localeCompare(b.key));
      const lasting = { ttlRemainingMs: 0, staleRemainingMs: 0 };
      expect(listed).toEqual([
        {
          key: "a/1",
          version: driver.get("a/1").kind === "hit" ? expect.any(Number) : 0,
          valueBytes: 5,
          ttlRemainingMs: 60,
          staleRemainingMs: 50,
          stale: false,
          absent: false,
        },
        { key: "a/2", version: expect.any(Number), valueBytes: 0, ...lasting, stale: false, absent: true },
      ]);
      expect(namesOf(listAll(driver.store))).toEqual(["a/1", "a/2", "b/1"]);
      expect(listAll(driver.store, { namespace: "nobody" })).toEqual([]);
    });

    it("lists what is stale as stale, and nothing that is gone", () => {
      const driver = new StoreDriver(create, { shards: 1 });
      for (const key of ["fresh", "expired", "staled", "gone", "over"]) {
        driver.set(key, {
          tags: [key],
          ttlMs: key === "fresh" ? 0 : 10,
          staleMs: key === "over" ? 0 : 100_000 * Number(key !== "fresh"),
        });
      }
      driver.invalidateTags(["staled"], { soft: true });
      driver.invalidateTags(["gone"]);
      driver.clock.advance(10);
      const listed = listAll(driver.store).map(({ key, stale }) => `${key} ${stale}`);
      expect(listed.sort()).toEqual(["expired true", "fresh false", "staled true"]);
    });

    it("is no read: it counts nothing, and removes nothing", () => {
      const driver = new StoreDriver(create, { shards: 1 });
      driver.set("k", { ttlMs: 10 });
      driver.clock.advance(10);
      const { entries } = driver.store.shards()[0] ?? { entries: 0 };
      listAll(driver.store);
      expect(driver.store.counters).toMatchObject({ hits: 0, misses: 0, staleHits: 0 });
      expect(driver.store.shards()[0]?.entries).toBe(entries);
    });

    it("makes pages of so many keys, and looks at a bounded number of entries for each", () => {
      const driver = new StoreDriver(create, { shards: 4 });
      const keys = Array.from({ length: 9_000 }, (_, index) => `k${index}`);
      for (const key of keys) driver.set(key, { namespace: "many", value: "" });
      for (const key of keys.slice(0, 50)) driver.set(key, { value: "" });
      let pages = 0;
      const sizes: number[] = [];
      const found = listAll(driver.store, { maxKeys: 7 }, (page) => {
        pages += 1;
        sizes.push(page.length);
      });
      expect(namesOf(found)).toEqual(keys.slice(0, 50).sort());
      expect(found).toHaveLength(50);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(8);
      // Nine thousand entries of another namespace are more than two pages look at.
      expect(listPages(driver.store, "nobody")).toBeGreaterThan(2);
      expect(pages).toBeGreaterThan(7);
    });

    it("lists at least once what is there all the time, and nothing that never was, while others write", () => {
      const keyOf = (index: number) => `${index % 2 === 0 ? "p/" : "q/"}${index}`;
      const writes = fc.array(
        fc.record({
          what: fc.constantFrom("set", "set", "grow", "remove", "increment"),
          index: fc.nat(299),
        }),
        { maxLength: 40 },
      );
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 1, max: 40 }),
          fc.constantFrom("", "p/", "p/1"),
          fc.array(writes, { minLength: 1, maxLength: 12 }),
          (shards, maxKeys, prefix, rounds) => {
            const driver = new StoreDriver(create, { shards });
            const model = new Map<string, number>();
            const set = (key: string, value: string) => {
              const result = driver.set(key, { value });
              if (result.kind === "stored") model.set(key, value.length);
            };
            for (let index = 0; index < 200; index += 1) set(keyOf(index), "1");
            const always = new Set(model.keys());
            const ever = new Set(model.keys());
            let round = 0;
            const found = listAll(driver.store, { prefix, maxKeys }, (page) => {
              for (const { key, valueBytes, version } of page) {
                // As it was when the page was made: nothing was written since.
                const now = driver.get(key);
                expect(now).toMatchObject({ entry: { version } });
                expect(valueBytes, key).toBe(model.get(key));
              }
              for (const { what, index } of rounds[round++ % rounds.length] ?? []) {
                const key = keyOf(index);
                if (what === "remove") {
                  driver.invalidateKeys([key]);
                  model.delete(key);
                  always.delete(key);
                } else if (what === "increment") {
                  if (driver.tryIncrement(key) === "notACounter") continue;
                  model.set(key, driver.read(key)?.length ?? 0);
                } else
                  set(key, what === "set" ? "1" : "a longer value than the one before".repeat(index % 3));
                if (model.has(key)) ever.add(key);
              }
            });
            const names = new Set(namesOf(found));
            for (const key of always) if (key.startsWith(prefix)) expect(names, key).toContain(key);
            for (const key of names) {
              expect(key.startsWith(prefix)).toBe(true);
              expect(ever, key).toContain(key);
            }
          },
        ),
        { numRuns: 60 },
      );
    });
  });
}

function listPages(store: Store, namespace: string): number {
  let pages = 0;
  listAll(store, { namespace }, () => {
    pages += 1;
  });
  return pages;
}
