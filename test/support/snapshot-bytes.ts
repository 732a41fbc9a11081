/** Snapshots in memory: stores whose memory a test can write down, and sources to load. */
import type { Clock } from "../../src/common/clock.ts";
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import {
  type LoadOptions,
  type SnapshotSource,
  type StartedStore,
  startStore,
} from "../../src/snapshot/load-snapshot.ts";
import { writeSnapshot } from "../../src/snapshot/write-snapshot.ts";
import {
  type AttachedStore,
  attachStore,
  createStoreMemory,
  type StoreMemory,
  type StoreOptions,
} from "../../src/store/engine/create-store.ts";

export type TestOptions = Partial<StoreOptions> & { readonly clock: Clock; readonly rng: Rng };

/** A store of one thread, and the memory that it is in. */
export interface OwnedStore {
  readonly memory: StoreMemory;
  readonly store: AttachedStore;
}

export function ownStore(options: TestOptions): OwnedStore {
  const memory = createStoreMemory(options);
  return { memory, store: attachStore(memory, options) };
}

export function bytesOf(memory: StoreMemory, clock: Clock, seed = 7): Buffer {
  const chunks: Buffer[] = [];
  writeSnapshot(memory, clock, createSeededRng(seed), (bytes) => chunks.push(Buffer.from(bytes)));
  return Buffer.concat(chunks);
}

export function sourceOf(bytes: Uint8Array): SnapshotSource {
  return {
    bytes: bytes.length,
    read(into, at) {
      if (at + into.length > bytes.length) throw new Error("read behind the end");
      into.set(bytes.subarray(at, at + into.length));
    },
  };
}

export function loadBytes(
  bytes: Uint8Array | undefined,
  options: TestOptions,
  others: Partial<LoadOptions> = {},
): StartedStore {
  return startStore(bytes && sourceOf(bytes), {
    store: options,
    threads: 1,
    clock: options.clock,
    maxAgeMs: 600_000,
    used: undefined,
    ...others,
  });
}
