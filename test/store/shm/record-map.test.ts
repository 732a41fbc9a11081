/** The map in a region: as a plain map in the order of insertion, through however many views of its memory. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import { RecordMap, recordMapBytes } from "../../../src/store/shm/record-map.ts";
import { createCutter, createRegion, type Region } from "../../../src/store/shm/region.ts";

const fingerprintOf = createFingerprint([1n, 2n]);

function newMap(capacity: number, cells = 2): RecordMap {
  return new RecordMap(createRegion(recordMapBytes(capacity, cells)), capacity, cells);
}

const put = (map: RecordMap, name: string): number => map.insert(fingerprintOf("n", name));
const find = (map: RecordMap, name: string): number => map.find(fingerprintOf("n", name));

function slots(map: RecordMap): number[] {
  const found: number[] = [];
  for (let slot = map.oldest(); slot !== 0; slot = map.newer(slot)) found.push(slot);
  return found;
}

describe("RecordMap", () => {
  it("finds records until they are removed, and says so of what it never had", () => {
    const map = newMap(4);
    expect(find(map, "a")).toBe(0);
    expect(map.oldest()).toBe(0);
    const slot = put(map, "a");
    expect(slot).toBeGreaterThan(0);
    expect(find(map, "a")).toBe(slot);
    expect(find(map, "b")).toBe(0);
    map.remove(slot);
    expect(find(map, "a")).toBe(0);
    expect([map.count, map.oldest()]).toEqual([0, 0]);
  });

  it("removes the oldest that are over, and not very many at once", () => {
    const map = newMap(2_000, 1);
    for (let number = 1; number <= 2_000; number++) map.setNumber(put(map, `${number}`), 0, number);
    const isOver = (slot: number) => map.number(slot, 0) <= 1_500;
    expect([map.removeOldest(isOver), map.count]).toEqual([false, 1_488]);
    expect([map.removeOldest(isOver), map.count]).toEqual([false, 976]);
    expect([map.removeOldest(isOver), map.count]).toEqual([true, 500]);
    expect(map.number(map.oldest(), 0)).toBe(1_501);
    expect([map.removeOldest(isOver), map.count]).toEqual([true, 500]);
  });

  it("keeps cells apart, exactly", () => {
    const map = newMap(2, 3);
    const [a, b] = [put(map, "a"), put(map, "b")];
    map.setNumber(a, 0, Number.MAX_SAFE_INTEGER);
    map.setBigint(a, 1, 2n ** 64n - 1n);
    map.setNumber(a, 2, Infinity);
    map.setBigint(b, 0, 7n);
    expect([map.number(a, 0), map.bigint(a, 1), map.number(a, 2)]).toEqual([
      Number.MAX_SAFE_INTEGER,
      2n ** 64n - 1n,
      Infinity,
    ]);
    expect([map.bigint(b, 0), map.number(b, 1), map.bigint(b, 2)]).toEqual([7n, 0, 0n]);
    expect([find(map, "a"), find(map, "b")]).toEqual([a, b]);
  });

  it("tells fingerprints apart by any one of their words, and by the upper bits of it", () => {
    const map = newMap(8);
    const id = Uint32Array.of(1, 2, 3, 4);
    const ids = [0, 1, 2, 3].map((word) => id.with(word, (id[word] ?? 0) + 2 ** 31));
    for (const one of [id, ...ids]) {
      expect(map.find(one)).toBe(0);
      map.insert(one);
    }
    expect([id, ...ids].map((one) => map.find(one))).toEqual([1, 2, 3, 4, 5]);
  });

  it("hands out the slot freed last, with cells of zeros", () => {
    const map = newMap(8);
    const [a, b] = [put(map, "a"), put(map, "b"), put(map, "c")];
    map.setNumber(a, 0, 1);
    map.setBigint(a, 1, 2n);
    map.remove(b);
    map.remove(a);
    expect(put(map, "d")).toBe(a);
    expect([map.number(a, 0), map.bigint(a, 1)]).toEqual([0, 0n]);
    expect(put(map, "e")).toBe(b);
    expect(put(map, "f")).toBe(4);
  });

  it("throws when it is full, and is none the worse for it", () => {
    const map = newMap(3);
    for (const name of ["a", "b", "c"]) put(map, name);
    expect(() => put(map, "d")).toThrow("full");
    map.remove(find(map, "b"));
    expect(find(map, "d")).toBe(0);
    expect(put(map, "d")).toBe(find(map, "d"));
    expect(slots(map)).toEqual([1, 3, 2]);
  });

  it("throws at a slot without a record and at a region too small", () => {
    const map = newMap(3);
    expect(() => map.remove(1)).toThrow("no record");
    expect(() => new RecordMap(createRegion(recordMapBytes(3, 2) - 1), 3, 2)).toThrow(RangeError);
  });

  it("has chains as short as chance makes them at every size, and touches no memory before its time", () => {
    const capacity = 5_000;
    const region = createRegion(recordMapBytes(capacity, 1));
    const map = new RecordMap(region, capacity, 1);
    const words = new Uint32Array(region.buffer, region.begin, region.bytes / 4);
    const slotsAt = words.length - capacity * 10;
    for (let size = 1; size <= capacity; size++) {
      put(map, `${size}`);
      if (![1, 2, 3, 64, 65, 1_000, 4_096, capacity].includes(size)) continue;
      const heads = words.subarray(16, 16 + size);
      let longest = 0;
      for (const head of heads) {
        let chain = 0;
        for (let slot = head; slot !== 0; slot = words[slotsAt + (slot - 1) * 10] ?? 0) chain++;
        longest = Math.max(longest, chain);
      }
      expect(longest).toBeLessThanOrEqual(12);
      expect(words.subarray(16 + size, slotsAt).every((word) => word === 0)).toBe(true);
      expect(words.subarray(slotsAt + size * 10).every((word) => word === 0)).toBe(true);
      for (let one = 1; one <= size; one++) expect(find(map, `${one}`)).toBe(one);
    }
  });

  it("keeps to its region", () => {
    const bytes = recordMapBytes(5, 2);
    const buffer = new SharedArrayBuffer(4_096);
    const cut = createCutter(buffer);
    const regions: [Region, Region, Region] = [cut(64), cut(bytes), cut(64)];
    const map = new RecordMap(regions[1], 5, 2);
    for (const name of ["a", "b", "c", "d", "e"]) {
      const slot = put(map, name);
      map.setBigint(slot, 0, 2n ** 64n - 1n);
      map.setBigint(slot, 1, 2n ** 64n - 1n);
    }
    for (const { begin } of [regions[0], regions[2]]) {
      expect(new Uint8Array(buffer, begin, 64).every((byte) => byte === 0)).toBe(true);
    }
    expect(new Uint8Array(buffer, regions[1].begin + bytes - 8, 8).every((byte) => byte === 255)).toBe(true);
  });

  it("is a plain map in the order of insertion, over any history and through any of three views", () => {
    const step = fc.record({
      kind: fc.constantFrom("put", "put", "remove", "renew", "write", "find"),
      view: fc.nat(2),
      name: fc.nat(40),
      value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 33 }), fc.array(step, { maxLength: 200 }), (capacity, steps) => {
        const region = createRegion(recordMapBytes(capacity, 2));
        const views = [0, 1, 2].map(() => new RecordMap(region, capacity, 2));
        const model = new Map<string, bigint>();
        for (const { kind, view, name, value } of steps) {
          const map = views[view];
          if (map === undefined) continue;
          const key = `${name}`;
          const slot = find(map, key);
          const former = model.get(key);
          expect(slot !== 0).toBe(former !== undefined);
          if (kind === "put" && slot === 0 && model.size < capacity) {
            map.setBigint(put(map, key), 1, value);
            model.set(key, value);
          } else if (former !== undefined && kind === "remove") {
            map.remove(slot);
            model.delete(key);
          } else if (former !== undefined && kind === "renew") {
            map.moveToNewest(slot);
            model.delete(key);
            model.set(key, former);
          } else if (former !== undefined && kind === "write") {
            map.setBigint(slot, 1, value);
            model.set(key, value);
          }
          expect(map.count).toBe(model.size);
          expect(slots(map).map((one) => map.bigint(one, 1))).toEqual([...model.values()]);
          expect(slots(map)).toEqual([...model.keys()].map((one) => find(map, one)));
        }
      }),
    );
  });
});
