/**
 * Makes the store of a new process: from a snapshot, or empty. The new store has an epoch of its own either way. One from a
 * snapshot continues the epoch that was written, and those which that one continued.
 *
 * All of the file is checked before the store is used. Whatever is wrong with it, the result is an empty store.
 */
import type { Clock } from "../common/clock.ts";
import type { SnapshotOutcome } from "../store/api/snapshot-outcome.ts";
import { createStoreMemory, type StoreMemory, type StoreOptions } from "../store/engine/create-store.ts";
import { type BoundedParts, type MemoryPart, StoreImage } from "../store/engine/store-image.ts";
import { BlockReader, blocksBytes } from "./blocks.ts";
import { damaged, payloadBytes, type ReadHead, readHead, type SnapshotHead } from "./head.ts";
import { SnapshotRefusal } from "./refusal.ts";

/** Epochs that a store says it continues. A client that missed more restarts begins anew. */
export const PREDECESSORS_MAX = 8;

/** The bytes of a snapshot. */
export interface SnapshotSource {
  readonly bytes: number;
  /** Fills an array with the bytes from `at` on. Throws when it cannot. */
  read(into: Uint8Array, at: number): void;
}

/** The snapshot that a store was started with before. */
export type UsedSnapshot = Pick<SnapshotHead, "id" | "writtenAtMs">;

export interface LoadOptions {
  readonly store: Partial<StoreOptions>;
  readonly threads: number;
  readonly clock: Clock;
  readonly maxAgeMs: number;
  /** The last one that was used. Undefined: none is known. */
  readonly used: UsedSnapshot | undefined;
}

export interface StartedStore {
  readonly memory: StoreMemory;
  readonly outcome: SnapshotOutcome;
}

/** Throws as `createStoreMemory`. */
export function startStore(source: SnapshotSource | undefined, options: LoadOptions): StartedStore {
  if (source === undefined) return { memory: emptyMemory(options), outcome: { kind: "none" } };
  try {
    return load(source, options);
  } catch (error) {
    return refused(options, error);
  }
}

/** An empty store in the place of a snapshot that is not used after all. Throws what is no SnapshotRefusal. */
export function refused(options: LoadOptions, error: unknown): StartedStore {
  if (!(error instanceof SnapshotRefusal)) throw error;
  const { reason, message } = error;
  return { memory: emptyMemory(options), outcome: { kind: "refused", reason, message } };
}

function emptyMemory({ store, threads }: LoadOptions): StoreMemory {
  return createStoreMemory(store, threads);
}

export function headOf(source: SnapshotSource): ReadHead {
  return readHead(source.bytes, (bytes, at) => {
    const into = Buffer.allocUnsafe(bytes);
    source.read(into, at);
    return into;
  });
}

function load(source: SnapshotSource, options: LoadOptions): StartedStore {
  const { store, threads, clock, maxAgeMs, used } = options;
  const beganMs = clock.nowMs();
  const read = headOf(source);
  const { head } = read;
  checkTime(head, clock, maxAgeMs);
  checkUse(head, used);
  const payload = payloadBytes(head);
  if (source.bytes !== read.bytes + blocksBytes(payload))
    throw damaged("it has not the length that its head says");
  const memory = createStoreMemory(store, threads, {
    seeds: head.inheritance.seeds,
    predecessors: [
      { epoch: head.epoch, endRevisions: head.revisions },
      ...head.inheritance.predecessors,
    ].slice(0, PREDECESSORS_MAX),
  });
  if (memory.engine !== "offheap") throw misfit("storeEngine");
  if (memory.shards.length !== head.revisions.length) throw misfit("shards");
  const image = new StoreImage(memory, clock);
  let at = read.bytes;
  const blocks = new BlockReader(
    (into) => {
      source.read(into, at);
      at += into.length;
    },
    read.crc,
    payload,
  );
  fill(image.parts(), head, blocks);
  if (image.revisions.some((revision, shard) => revision !== head.revisions[shard])) throw otherLayout();
  if (!image.resume(clock.wallMs() - head.writtenAtMs, head.limits.budgetBytes)) throw misfit("budgetBytes");
  const { writtenAtMs } = head;
  const loadMs = clock.nowMs() - beganMs;
  const { bytes } = source;
  return { memory, outcome: { kind: "loaded", writtenAtMs, entries: image.entries, bytes, loadMs } };
}

function checkTime({ writtenAtMs }: SnapshotHead, clock: Clock, maxAgeMs: number): void {
  const ageMs = clock.wallMs() - writtenAtMs;
  if (ageMs < 0)
    throw new SnapshotRefusal("clock", "the wall clock went back: it was written later than now");
  if (ageMs > maxAgeMs) {
    const message = `it is ${Math.round(ageMs / 1_000)} s old, and the most is ${maxAgeMs / 1_000} s (snapshotMaxAgeMs)`;
    throw new SnapshotRefusal("too_old", message);
  }
}

/** A store that was started with it has had a life since, of which the file knows nothing. */
function checkUse(head: SnapshotHead, used: UsedSnapshot | undefined): void {
  if (used === undefined) return;
  if (head.id === used.id || head.writtenAtMs <= used.writtenAtMs) {
    throw new SnapshotRefusal(
      "used",
      "a store was started with it, or with a later one, before: it is a copy",
    );
  }
}

/** Copies the parts of the file to the places that they have in the new store. */
function fill(shards: readonly (readonly BoundedParts[])[], head: SnapshotHead, blocks: BlockReader): void {
  for (const [shard, bounded] of shards.entries()) {
    const sizes = head.parts[shard] ?? [];
    let next = 0;
    for (const { bound, parts } of bounded) {
      for (const part of parts) {
        const size = sizes[next++];
        if (size === undefined) throw otherLayout();
        fillPart(part, size, bound, blocks);
      }
    }
    if (next !== sizes.length) throw otherLayout();
  }
}

function fillPart(
  { region, elementBytes, isFixed }: MemoryPart,
  size: { readonly count: number; readonly elementBytes: number },
  bound: BoundedParts["bound"],
  blocks: BlockReader,
): void {
  // What a setting bounds may have elements that depend on it.
  if (elementBytes !== size.elementBytes) throw bound === undefined ? otherLayout() : misfit(bound);
  const bytes = size.count * elementBytes;
  const isLeftOut = isFixed && bytes !== region.bytes;
  if (bytes > region.bytes && !isLeftOut) throw bound === undefined ? otherLayout() : misfit(bound);
  const target = new Uint8Array(region.buffer, region.begin, region.bytes);
  for (let done = 0; done < bytes; ) {
    const taken = blocks.take(bytes - done);
    if (!isLeftOut) target.set(taken, done);
    done += taken.length;
  }
}

function otherLayout(): SnapshotRefusal {
  return new SnapshotRefusal("layout", "it has another layout of memory than this version");
}

/** The names of options that the server's settings call otherwise. */
const SETTING_NAMES: Readonly<Record<string, string>> = { budgetBytes: "storeBudgetBytes" };

function misfit(option: string): SnapshotRefusal {
  const name = SETTING_NAMES[option] ?? option;
  return new SnapshotRefusal("setting", `this store has no room for it, or another form, by its ${name}`);
}
