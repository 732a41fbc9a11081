/** Two namespaces in one store: the traffic of one, with and without another that does ten times as much. */
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import { createStore, type StoreOptions } from "../../src/store/engine/create-store.ts";
import { StoreDriver } from "./store-driver.ts";

/** Operations of the other for each access of the one. */
export const FLOOD = 10;
const VICTIM = "orders";
const OTHER = "flood";
const VALUE = new Uint8Array(300);
/** Keys whose deletion the victim expects to be remembered. */
const REMEMBERED = 20;
const VICTIM_HOLDER = 1;
const OTHER_HOLDER = 2;

/** What the victim sees. */
export interface Outcome {
  /** Of its reads. */
  readonly hitRatio: number;
  /** Misses for which it got no lease. */
  readonly leasesRefused: number;
  /** Sets by an older source version than that of a deletion, which were stored. */
  readonly deletionsForgotten: number;
}

/** Endless keys, the first ones the most frequent (Zipf, exponent 0.9). */
export function zipfian(keys: number, rng: Rng): () => number {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let at = 0; at < keys; at += 1) {
    sum += (at + 1) ** -0.9;
    sums[at] = sum;
  }
  return () => {
    const wanted = rng.fraction() * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** The victim reads, and fills what it misses by a lease. `flood`: called ten times for each access. */
export function replay(
  options: Partial<StoreOptions>,
  accesses: Iterable<number>,
  flood: ((driver: StoreDriver) => void) | undefined,
): Outcome {
  const driver = new StoreDriver(createStore, options);
  const deleted: string[] = [];
  let [reads, hits, leasesRefused, deletionsForgotten] = [0, 0, 0, 0];
  for (const access of accesses) {
    const key = `k${access}`;
    reads += 1;
    if (driver.get(key, { namespace: VICTIM }).kind === "hit") hits += 1;
    else if (!fill(driver, key, access)) leasesRefused += 1;
    if (reads % 250 === 0) driver.invalidateTags([`t${access % 50}`], { namespace: VICTIM });
    if (reads % 1_000 === 0) driver.invalidatePrefix(`k${access % 100}`, { namespace: VICTIM });
    if (reads % 40 === 0) deletionsForgotten += deleteOne(driver, deleted, `gone${reads}`, BigInt(reads));
    for (let count = 0; flood !== undefined && count < FLOOD; count += 1) flood(driver);
    driver.clock.advance(1);
    if (reads % 8 === 0) driver.store.maintain(16);
  }
  return { hitRatio: hits / reads, leasesRefused, deletionsForgotten };
}

/** False: there was no lease. */
function fill(driver: StoreDriver, key: string, access: number): boolean {
  const lease = driver.lease(key, 1_000, { namespace: VICTIM, holder: VICTIM_HOLDER });
  if (lease.kind !== "granted") return false;
  const condition = { kind: "lease", token: lease.token } as const;
  driver.set(key, { namespace: VICTIM, value: VALUE, tags: [`t${access % 50}`], condition });
  return true;
}

/** Deletes a key by its source version, and tries to store older values of the last ones. Returns how many were stored. */
function deleteOne(driver: StoreDriver, deleted: string[], key: string, sourceVersion: bigint): number {
  driver.invalidateKeys([key], { namespace: VICTIM, sourceVersion });
  deleted.push(key);
  if (deleted.length > REMEMBERED) deleted.shift();
  return deleted.filter(
    (one) => driver.trySet(one, { namespace: VICTIM, sourceVersion: 1n }) !== "olderSourceVersion",
  ).length;
}

/** Reads keys that are mostly not there, and stores them. */
export function floodOfEntries(rng: Rng): (driver: StoreDriver) => void {
  const next = zipfian(50_000, rng);
  let scanned = 0;
  return (driver) => {
    const isScan = rng.fraction() < 0.5;
    if (isScan) scanned += 1;
    const key = isScan ? `s${scanned}` : `k${next()}`;
    if (driver.get(key, { namespace: OTHER }).kind !== "hit")
      driver.set(key, { namespace: OTHER, value: VALUE, tags: ["t"] });
  };
}

/** Fills what a store remembers beside entries: fences, leases, deletions, requests. */
export function floodOfRecords(): (driver: StoreDriver) => void {
  let count = 0;
  return (driver) => {
    count += 1;
    const key = `f${count}`;
    switch (count % 5) {
      case 0:
        driver.invalidateTags([key], { namespace: OTHER });
        return;
      case 1:
        driver.invalidatePrefix(key, { namespace: OTHER });
        return;
      case 2:
        driver.lease(key, 60_000, { namespace: OTHER, holder: OTHER_HOLDER });
        return;
      case 3:
        driver.invalidateKeys([key], { namespace: OTHER, sourceVersion: BigInt(count) });
        return;
      default:
        driver.set(key, { namespace: OTHER, requestId: BigInt(count), sourceVersion: 1n });
    }
  };
}

/** The accesses of the victim, the same for the same seed. */
export function accessesOf(count: number, keys: number, seed: number): number[] {
  const next = zipfian(keys, createSeededRng(seed));
  return Array.from({ length: count }, next);
}
