/** Tombstones against a plain list, through three views of one region, and the order in which the bound takes them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TOMBSTONE_MS, Tombstones, tombstonesBytes } from "../../../src/store/engine/tombstones.ts";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import { createRegion } from "../../../src/store/shm/region.ts";
import { createNamespaceViews } from "../../support/test-namespaces.ts";

const fingerprintOf = createFingerprint([1n, 2n]);
const uint64Max = 2n ** 64n - 1n;
const recordOf = (namespace: string): number => (namespace === "a" ? 8 : 9);

interface Laid {
  readonly name: string;
  readonly sourceVersion: bigint;
  readonly untilMs: number;
}

/** What the class promises, with no thought for speed. */
class Model {
  laid: Laid[] = [];
  pruned = 0;
  readonly #maxCount: number;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  known(name: string, nowMs: number): bigint {
    const found = this.laid.find((one) => one.name === name && nowMs < one.untilMs);
    return found?.sourceVersion ?? 0n;
  }

  add(name: string, sourceVersion: bigint, staleUntilMs: number, nowMs: number): void {
    if (sourceVersion === 0n || staleUntilMs + TOMBSTONE_MS <= nowMs) return;
    const former = this.laid.find((one) => one.name === name && nowMs < one.untilMs);
    this.remove(name);
    this.laid.push({
      name,
      sourceVersion: [sourceVersion, former?.sourceVersion ?? 0n].reduce((a, b) => (a > b ? a : b)),
      untilMs: Math.max(staleUntilMs + TOMBSTONE_MS, former?.untilMs ?? 0),
    });
    if (this.laid.length <= this.#maxCount) return;
    this.expire(nowMs);
    if (this.laid.length <= this.#maxCount) return;
    this.pruned++;
    this.#giveUp(name);
  }

  /** The causer pays if it has an equal share without the new one, else whoever has most; nobody gives up its only one. */
  #giveUp(causing: string): void {
    const ownerOf = (name: string): string => name.slice(0, 1);
    const others = this.laid.slice(0, -1);
    const countOf = (owner: string): number => others.filter((one) => ownerOf(one.name) === owner).length;
    const owners = new Set(others.map((one) => ownerOf(one.name)));
    const causer = ownerOf(causing);
    const isFair = countOf(causer) > 0 && countOf(causer) * owners.size >= others.length;
    const payer = isFair ? causer : (["a", "b"].find((owner) => countOf(owner) > countOf(causer)) ?? causer);
    const isSpared = payer !== causer && countOf(payer) === 1;
    const given = isSpared ? this.laid.at(-1) : others.find((one) => ownerOf(one.name) === payer);
    this.laid = this.laid.filter((one) => one !== given);
  }

  remove(name: string): void {
    this.laid = this.laid.filter((one) => one.name !== name);
  }

  expire(nowMs: number): void {
    const kept = this.laid.findIndex((one) => nowMs < one.untilMs);
    this.laid = kept === -1 ? [] : this.laid.slice(kept);
  }
}

describe("Tombstones", () => {
  it("remembers a source version for a minute from when the entry went", () => {
    const [namespaces] = createNamespaceViews(fingerprintOf, 1);
    if (namespaces === undefined) throw new Error("one view");
    const region = createRegion(tombstonesBytes(2, namespaces.records));
    const tombstones = new Tombstones(region, 2, { fingerprintOf, namespaces, pruned: () => {} });
    tombstones.add({ record: 0, namespace: "n", key: "k", sourceVersion: uint64Max }, 1_000, 5_000);
    expect(tombstones.known("n", "k", 1_000 + TOMBSTONE_MS - 1)).toBe(uint64Max);
    expect(tombstones.known("n", "k", 1_000 + TOMBSTONE_MS)).toBe(0n);
    expect(tombstones.known("n", "other", 5_000)).toBe(0n);
    expect(tombstones.known("other", "k", 5_000)).toBe(0n);
  });

  it("is a plain list, over any history and through any of three views", () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("lay", "lay", "lay", "lift", "expire"),
        view: fc.nat(2),
        namespace: fc.constantFrom("a", "b"),
        key: fc.constantFrom("1", "2", "3", "4", "ключ", ""),
        sourceVersion: fc.oneof(fc.bigInt({ min: 0n, max: 5n }), fc.constant(uint64Max)),
        passedMs: fc.constantFrom(0, 0, 0, 1, 1, 5_000, TOMBSTONE_MS - 1, TOMBSTONE_MS),
        agoMs: fc.constantFrom(0, 0, 1, 30_000, TOMBSTONE_MS - 1, TOMBSTONE_MS),
      }),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), steps, (maxCount, history) => {
        let pruned = 0;
        const tables = createNamespaceViews(fingerprintOf, 3);
        const region = createRegion(tombstonesBytes(maxCount, tables[0]?.records ?? 0));
        const views = tables.map(
          (namespaces) =>
            new Tombstones(region, maxCount, { fingerprintOf, namespaces, pruned: () => pruned++ }),
        );
        const model = new Model(maxCount);
        const names = new Map(
          history.map(({ namespace, key }) => [`${namespace}:${key}`, { namespace, key }]),
        );
        let nowMs = 100_000;
        for (const { kind, view, namespace, key, sourceVersion, passedMs, agoMs } of history) {
          nowMs += passedMs;
          const name = `${namespace}:${key}`;
          if (kind === "lay") {
            views[view]?.add(
              { record: recordOf(namespace), namespace, key, sourceVersion },
              nowMs - agoMs,
              nowMs,
            );
            model.add(name, sourceVersion, nowMs - agoMs, nowMs);
          } else if (kind === "lift") {
            views[view]?.remove(namespace, key);
            model.remove(name);
          } else {
            views[view]?.expire(nowMs);
            model.expire(nowMs);
          }
          const reader = views[(view + 1) % 3];
          expect([reader?.count, pruned]).toEqual([model.laid.length, model.pruned]);
          for (const [id, one] of names) {
            for (const atMs of [nowMs, nowMs + 30_000, nowMs + TOMBSTONE_MS - 1]) {
              expect(reader?.known(one.namespace, one.key, atMs)).toBe(model.known(id, atMs));
            }
          }
        }
      }),
    );
  });
});
