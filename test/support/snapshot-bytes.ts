/** Snapshots in memory: stores whose memory a test can write down, and sources to load. */
import { crc32 } from "node:zlib";
import type { Clock } from "../../src/common/clock.ts";
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import { BLOCK_BYTES, BlockWriter } from "../../src/snapshot/blocks.ts";
import { CRC_BYTES } from "../../src/snapshot/head.ts";
import {
  headOf,
  type LoadOptions,
  type SnapshotSource,
  type StartedStore,
  startStore,
} from "../../src/snapshot/load-snapshot.ts";
import { SnapshotRefusal } from "../../src/snapshot/refusal.ts";
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

/** The same snapshot, as a build whose format has this version would write it: all its checksums are right. */
export function inFormat(bytes: Uint8Array, version: number): Buffer {
  const { bytes: headBytes } = headOf(sourceOf(bytes));
  const head = Buffer.from(bytes.subarray(0, headBytes));
  head.writeUInt32LE(version, 8);
  const crc = crc32(head.subarray(0, headBytes - CRC_BYTES));
  head.writeUInt32LE(crc, headBytes - CRC_BYTES);
  const chunks = [head];
  const blocks = new BlockWriter((chunk) => chunks.push(Buffer.from(chunk)), crc);
  for (let from = headBytes; from < bytes.length; from += BLOCK_BYTES + CRC_BYTES) {
    const end = Math.min(from + BLOCK_BYTES, bytes.length - CRC_BYTES);
    blocks.add(bytes.subarray(from, end));
  }
  blocks.end();
  return Buffer.concat(chunks);
}

export function sourceOf(bytes: Uint8Array): SnapshotSource {
  return {
    bytes: bytes.length,
    read(into, at) {
      // As a file that ended.
      if (at + into.length > bytes.length) throw new SnapshotRefusal("damaged", "read behind the end");
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
