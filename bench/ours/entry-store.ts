/** meshcache's store without its server, with a budget for a number of equal entries. */

import type { Store } from "../../src/store/api/store.ts";
import { createStore } from "../../src/store/engine/create-store.ts";
import type { EntryStore, EntryStoreCapacity } from "../entry-store.ts";
import { keyAt } from "../keyspace.ts";
import { NAMESPACE } from "./namespace.ts";

const SAMPLE_ENTRIES = 2_000;
const SAMPLE_BUDGET_BYTES = 256 * 2 ** 20;
/** Extra room, because keys are not spread evenly over the shards and segments are never completely full. */
const SHARD_SLACK = 1.25;
const CALIBRATION_ROUNDS = 8;
const writer = { origin: "", traceparent: "" };

/** A store as the server uses it, with shards and room for all entries. */
export function openSharded(capacity: EntryStoreCapacity): EntryStore {
  const budgetBytes = Math.ceil(capacity.entriesMax * bytesAnEntry(capacity) * SHARD_SLACK);
  return toEntryStore(createStore({ ...engineOf(capacity), budgetBytes }));
}

/**
 * One shard with the largest budget in which it never holds more than `entriesMax` entries. An engine with
 * segments holds fewer entries in the same budget, but this comparison is about which entries it keeps.
 */
export function openUnitSized(capacity: EntryStoreCapacity): EntryStore {
  const unit = bytesAnEntry(capacity);
  const openWith = (budgetBytes: number): EntryStore =>
    toEntryStore(createStore({ ...engineOf(capacity), shards: 1, budgetBytes: Math.floor(budgetBytes) }));
  let fitting = capacity.entriesMax * unit;
  let tooLarge = fitting * 1.5;
  for (let round = 0; round < CALIBRATION_ROUNDS; round++) {
    const middle = (fitting + tooLarge) / 2;
    if (mostEntries(openWith(middle), capacity) <= capacity.entriesMax) fitting = middle;
    else tooLarge = middle;
  }
  return openWith(fitting);
}

/** The largest number of entries that a store holds while new keys are set. */
function mostEntries(store: EntryStore, { entriesMax, valueBytes }: EntryStoreCapacity): number {
  const value = new Uint8Array(valueBytes);
  let most = 0;
  for (let index = 0; index < entriesMax * 3; index++) {
    store.set(keyAt(index), value);
    most = Math.max(most, store.entryCount());
  }
  return most;
}

/** The bytes that the store counts for one entry. */
function bytesAnEntry(capacity: EntryStoreCapacity): number {
  const store = createStore({ ...engineOf(capacity), budgetBytes: SAMPLE_BUDGET_BYTES });
  const sample = toEntryStore(store);
  const empty = chargedBytes(store);
  const value = new Uint8Array(capacity.valueBytes);
  for (let index = 0; index < SAMPLE_ENTRIES; index++) sample.set(keyAt(index), value);
  return (chargedBytes(store) - empty) / SAMPLE_ENTRIES;
}

const engineOf = ({ engine }: EntryStoreCapacity) => (engine === undefined ? {} : { engine });

function chargedBytes(store: Store): number {
  return store.shards().reduce((sum, shard) => sum + shard.bytes, 0);
}

function toEntryStore(store: Store): EntryStore {
  return {
    get(key) {
      const result = store.get({ namespace: NAMESPACE, key, ifVersion: 0, ifEpoch: 0n, allowStale: false });
      return result.kind === "hit" ? result.entry.value : undefined;
    },
    set(key, value) {
      store.set({
        namespace: NAMESPACE,
        key,
        value,
        ttlMs: 0,
        staleMs: 0,
        tags: [],
        contentType: "",
        contentEncoding: "",
        absent: false,
        sourceVersion: 0n,
        condition: { kind: "always" },
        requestId: 0n,
        writer,
      });
    },
    entryCount: () => store.shards().reduce((sum, shard) => sum + shard.entries, 0),
  };
}
