/** What a load needs of a store in its own process: meshcache's engines and their peers behind one shape. */

export interface EntryStore {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
  entryCount(): number;
}

/** "meshcache" is its default engine. */
export type EntryStoreName = "meshcache" | "lru-cache";

/** Entries of a 20 B key and one size of value; what comes beyond `entriesMax` evicts. */
export interface EntryStoreCapacity {
  readonly entriesMax: number;
  readonly valueBytes: number;
}

const shardSlack = 1.1;

export async function openEntryStore(
  name: EntryStoreName,
  capacity: EntryStoreCapacity,
): Promise<EntryStore> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/entry-store.ts")).open({ engine: undefined, slack: shardSlack }, capacity);
    case "lru-cache":
      return (await import("./peers/lru-cache.ts")).openStore(capacity.entriesMax);
  }
}

/** Without shards and without slack: the eviction policy alone is compared. */
export async function openUnitStore(name: EntryStoreName, capacity: EntryStoreCapacity): Promise<EntryStore> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/entry-store.ts")).open(
        { engine: undefined, shards: 1, slack: 1 },
        capacity,
      );
    case "lru-cache":
      return (await import("./peers/lru-cache.ts")).openStore(capacity.entriesMax);
  }
}
