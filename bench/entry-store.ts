/** What a load needs of a store in its own process: meshcache's engines and their peers behind one shape. */
import type { StoreEngine } from "../src/store/engine/create-store.ts";

export interface EntryStore {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
  entryCount(): number;
}

export type EntryStoreName = "meshcache" | "lru-cache";

/** Entries of a 20 B key and one size of value; what comes beyond `entriesMax` evicts. */
export interface EntryStoreCapacity {
  readonly entriesMax: number;
  readonly valueBytes: number;
  /** Of meshcache; undefined: its default. */
  readonly engine: StoreEngine | undefined;
}

/** A store as it is used, with room for `entriesMax` entries. */
export async function openEntryStore(
  name: EntryStoreName,
  capacity: EntryStoreCapacity,
): Promise<EntryStore> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/entry-store.ts")).openSharded(capacity);
    case "lru-cache":
      return (await import("./peers/lru-cache.ts")).openStore(capacity.entriesMax);
  }
}

/** One shard that never holds more entries than `entriesMax`: eviction alone is compared. */
export async function openUnitStore(name: EntryStoreName, capacity: EntryStoreCapacity): Promise<EntryStore> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/entry-store.ts")).openUnitSized(capacity);
    case "lru-cache":
      return (await import("./peers/lru-cache.ts")).openStore(capacity.entriesMax);
  }
}
