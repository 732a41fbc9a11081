/** meshcache's store without its server, given the bytes that a number of equal entries needs. */
import { createStore, type StoreEngine } from "../../src/store/create-store.ts";
import type { Store } from "../../src/store/store.ts";
import type { EntryStore, EntryStoreCapacity } from "../entry-store.ts";
import { keyAt } from "../keyspace.ts";
import { namespace } from "./namespace.ts";

export interface EntryStoreOptions {
  /** Undefined: the store's own default. */
  readonly engine: StoreEngine | undefined;
  /** Undefined: the store's own default. */
  readonly shards?: number;
  /** Of the bytes that the entries need: keys never spread quite evenly over the shards. */
  readonly slack: number;
}

const sampleEntries = 2_000;
const sampleBudgetBytes = 256 * 2 ** 20;
const writer = { origin: "", traceparent: "" };

export function open(options: EntryStoreOptions, capacity: EntryStoreCapacity): EntryStore {
  const needed = Math.ceil(capacity.entriesMax * bytesAnEntry(options, capacity.valueBytes) * options.slack);
  return toEntryStore(createStore({ ...sharedOptions(options), budgetBytes: needed }));
}

/** What the store itself charges for one entry. */
function bytesAnEntry(options: EntryStoreOptions, valueBytes: number): number {
  const store = createStore({ ...sharedOptions(options), budgetBytes: sampleBudgetBytes });
  const sample = toEntryStore(store);
  const empty = chargedBytes(store);
  for (let index = 0; index < sampleEntries; index++) sample.set(keyAt(index), new Uint8Array(valueBytes));
  return (chargedBytes(store) - empty) / sampleEntries;
}

function sharedOptions({ engine, shards }: EntryStoreOptions) {
  return { ...(engine === undefined ? {} : { engine }), ...(shards === undefined ? {} : { shards }) };
}

function chargedBytes(store: Store): number {
  return store.shards().reduce((sum, shard) => sum + shard.bytes, 0);
}

function toEntryStore(store: Store): EntryStore {
  return {
    get(key) {
      const result = store.get({ namespace, key, ifVersion: 0, ifEpoch: 0n, allowStale: false });
      return result.kind === "hit" ? result.entry.value : undefined;
    },
    set(key, value) {
      store.set({
        namespace,
        key,
        value,
        ttlMs: 0,
        staleMs: 0,
        tags: [],
        contentType: "",
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
