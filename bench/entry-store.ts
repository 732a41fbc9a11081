/** The interface of a store in the process of its load, for the engines of meshcache and their peers. */
import type { StoreEngine } from "../src/store/engine/create-store.ts";

export interface EntryStore {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
  entryCount(): number;
}

export type EntryStoreName = "meshcache" | "lru-cache";

/** Entries have keys of 20 B and values of one size. A Set beyond `entriesMax` evicts. */
export interface EntryStoreCapacity {
  readonly entriesMax: number;
  readonly valueBytes: number;
  /** The engine of meshcache. Undefined: its default. */
  readonly engine: StoreEngine | undefined;
}

/** A store as a service uses it, with room for `entriesMax` entries. */
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

/** One shard that never holds more than `entriesMax` entries, to compare eviction alone. */
export async function openUnitStore(name: EntryStoreName, capacity: EntryStoreCapacity): Promise<EntryStore> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/entry-store.ts")).openUnitSized(capacity);
    case "lru-cache":
      return (await import("./peers/lru-cache.ts")).openStore(capacity.entriesMax);
  }
}
