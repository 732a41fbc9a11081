/** Writes a store that nobody uses any more as a snapshot. */
import type { Clock } from "../common/clock.ts";
import type { Rng } from "../common/random.ts";
import type { StoreMemory } from "../store/engine/create-store.ts";
import { StoreImage } from "../store/engine/store-image.ts";
import { BlockWriter, usedBytes, type WriteBytes } from "./blocks.ts";
import { CRC_BYTES, encodeHead, sizesOf } from "./head.ts";

export interface WrittenSnapshot {
  readonly entries: number;
}

/** Throws what `write` throws, and an Error when an operation was cut off. */
export function writeSnapshot(
  memory: StoreMemory,
  clock: Clock,
  rng: Rng,
  write: WriteBytes,
): WrittenSnapshot {
  const image = new StoreImage(memory, clock);
  if (!image.isWhole) throw new Error("a thread ended in the middle of an operation");
  image.stopClocks();
  const writtenAtMs = clock.wallMs();
  const shards = image.parts();
  const { epoch, seeds, predecessors, limits } = memory;
  const head = encodeHead({
    id: rng.uint64(),
    writtenAtMs,
    epoch,
    revisions: image.revisions,
    inheritance: { seeds, predecessors },
    limits,
    parts: sizesOf(shards),
  });
  write(head);
  const blocks = new BlockWriter(write, head.readUInt32LE(head.length - CRC_BYTES));
  for (const { parts } of shards.flat()) for (const part of parts) blocks.add(usedBytes(part));
  blocks.end();
  return { entries: image.entries };
}
