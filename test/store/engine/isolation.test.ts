/** Isolation of namespaces: what one reads, fills and deletes is the same alone and beside another that does ten times as much. */
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../../src/common/random.ts";
import { STORE_ENGINES } from "../../../src/store/engine/create-store.ts";
import { accessesOf, floodOfEntries, floodOfRecords, replay } from "../../support/isolation.ts";

const SEED = 15;
const KIB = 1024;
const accesses = accessesOf(5_000, 1_500, SEED);
/** Not all that the victim asks for has room. */
const ROOM = 256 * KIB;

describe.each(STORE_ENGINES)("isolation of namespaces on %s", (engine) => {
  const options = { engine, shards: 2, budgetBytes: 1024 * KIB };

  it("keeps the hit ratio of a namespace with a floor within one point, beside ten times its traffic", () => {
    const namespaces = [{ namespace: "orders", floorBytes: ROOM, ceilingBytes: ROOM }];
    const alone = replay({ ...options, namespaces }, accesses, undefined);
    const beside = replay({ ...options, namespaces }, accesses, floodOfEntries(createSeededRng(SEED)));
    expect(alone.hitRatio, `seed ${SEED}`).toBeGreaterThan(0.4);
    expect(Math.abs(alone.hitRatio - beside.hitRatio), `seed ${SEED}`).toBeLessThan(0.01);
    // Without a floor, this traffic does harm.
    const exposed = replay(options, accesses, floodOfEntries(createSeededRng(SEED)));
    expect(exposed.hitRatio, `seed ${SEED}`).toBeLessThan(alone.hitRatio - 0.05);
  });

  it("keeps the hit ratio of a namespace without a floor within one point, beside another with a ceiling", () => {
    const roomy = {
      ...options,
      budgetBytes: 1536 * KIB,
      namespaces: [{ namespace: "flood", ceilingBytes: ROOM }],
    };
    const alone = replay(roomy, accesses, undefined);
    const beside = replay(roomy, accesses, floodOfEntries(createSeededRng(SEED)));
    expect(Math.abs(alone.hitRatio - beside.hitRatio), `seed ${SEED}`).toBeLessThan(0.01);
  });

  it("keeps fences, leases and tombstones of a namespace, beside one that overflows them", () => {
    const small = {
      ...options,
      budgetBytes: 1536 * KIB,
      namespaces: [{ namespace: "flood", ceilingBytes: 64 * KIB }],
      tagFencesMax: 128,
      prefixFencesMax: 8,
      tombstonesMax: 256,
      leasesMax: 256,
      leasesOfNamespaceMax: 128,
      requestIdsMax: 64,
    };
    const alone = replay(small, accesses, undefined);
    const beside = replay(small, accesses, floodOfRecords());
    expect(Math.abs(alone.hitRatio - beside.hitRatio), `seed ${SEED}`).toBeLessThan(0.01);
    expect([alone.leasesRefused, beside.leasesRefused], `seed ${SEED}`).toEqual([0, 0]);
    expect([alone.deletionsForgotten, beside.deletionsForgotten], `seed ${SEED}`).toEqual([0, 0]);
  });
});
