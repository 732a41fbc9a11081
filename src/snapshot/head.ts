/**
 * The head of a snapshot: what a store must know before it takes the bytes. docs/snapshot.md describes the file.
 *
 *   8 bytes   "meshsnap"
 *   4 bytes   the format version
 *   4 bytes   the length of the description
 *   n bytes   the description, JSON in UTF-8
 *   4 bytes   the CRC-32 of all before
 *
 * Numbers are little-endian. The version comes first: a later one may change all behind it.
 */
import { crc32 } from "node:zlib";
import { isRecord } from "../common/record.ts";
import type { StoreMemory } from "../store/engine/create-store.ts";
import type { BoundedParts, Inheritance } from "../store/engine/store-image.ts";
import { SnapshotRefusal } from "./refusal.ts";

const MAGIC = Buffer.from("meshsnap");
/**
 * To be raised with every change of the layout of memory, or of the meaning of its bytes. 3: entries may have a content
 * encoding, for which a reader of 2 would take bytes that it has not.
 */
export const FORMAT_VERSION = 3;
/** Memory of this format, and of all since, is memory of the format now. */
export const OLDEST_READ = 2;
const FIXED_BYTES = 16;
export const CRC_BYTES = 4;
const DESCRIPTION_MAX_BYTES = 4 * 1024 * 1024;

/** A part of memory: so many elements of this size. */
interface PartSize {
  readonly count: number;
  readonly elementBytes: number;
}

export interface SnapshotHead {
  /** Of this file. */
  readonly id: bigint;
  /** By the wall clock. */
  readonly writtenAtMs: number;
  /** Of the store that ended. */
  readonly epoch: bigint;
  /** At which it ended, by shard. */
  readonly revisions: readonly number[];
  /** What the next store takes over. */
  readonly inheritance: Inheritance;
  readonly limits: StoreMemory["limits"];
  /** Of each shard. */
  readonly parts: readonly (readonly PartSize[])[];
}

/** What the parts of a store take now. */
export function sizesOf(shards: readonly (readonly BoundedParts[])[]): PartSize[][] {
  return shards.map((bounded) =>
    bounded.flatMap(({ parts }) => parts.map(({ count, elementBytes }) => ({ count, elementBytes }))),
  );
}

/** The bytes of all parts. */
export function payloadBytes({ parts }: SnapshotHead): number {
  let bytes = 0;
  for (const { count, elementBytes } of parts.flat()) bytes += count * elementBytes;
  return bytes;
}

export function encodeHead(head: SnapshotHead): Buffer {
  const { id, epoch, inheritance, ...plain } = head;
  const { seeds, predecessors } = inheritance;
  const description = Buffer.from(
    JSON.stringify({
      ...plain,
      id: toHex(id),
      epoch: toHex(epoch),
      seeds: { hash: toHex(seeds.hash), names: seeds.names.map(toHex) },
      predecessors: predecessors.map(({ epoch, endRevisions }) => ({ epoch: toHex(epoch), endRevisions })),
      parts: plain.parts.map((sizes) => sizes.map(({ count, elementBytes }) => [count, elementBytes])),
    }),
  );
  const bytes = Buffer.alloc(FIXED_BYTES + description.length + CRC_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  bytes.writeUInt32LE(description.length, 12);
  description.copy(bytes, FIXED_BYTES);
  const crcAt = bytes.length - CRC_BYTES;
  bytes.writeUInt32LE(crc32(bytes.subarray(0, crcAt)), crcAt);
  return bytes;
}

export interface ReadHead {
  readonly head: SnapshotHead;
  /** Of the head in the file. */
  readonly bytes: number;
  readonly crc: number;
}

/** `read`: the bytes of the file from `at` on. Throws a SnapshotRefusal. */
export function readHead(fileBytes: number, read: (bytes: number, at: number) => Buffer): ReadHead {
  if (fileBytes < FIXED_BYTES + CRC_BYTES) throw damaged("it ends in its head");
  const fixed = Buffer.from(read(FIXED_BYTES, 0));
  if (!MAGIC.equals(fixed.subarray(0, MAGIC.length))) {
    throw new SnapshotRefusal("format", "the file is no snapshot of meshcache");
  }
  const version = fixed.readUInt32LE(8);
  if (version < OLDEST_READ || version > FORMAT_VERSION) {
    const read = `${OLDEST_READ} to ${FORMAT_VERSION}`;
    throw new SnapshotRefusal("format", `it has format ${version}, and this version reads ${read}`);
  }
  const bytes = FIXED_BYTES + fixed.readUInt32LE(12) + CRC_BYTES;
  if (bytes > DESCRIPTION_MAX_BYTES || bytes > fileBytes) throw damaged("its head has no possible length");
  const all = Buffer.from(read(bytes, 0));
  const crc = all.readUInt32LE(bytes - CRC_BYTES);
  if (crc32(all.subarray(0, bytes - CRC_BYTES)) !== crc) throw damaged("the checksum of its head is wrong");
  const text = all.toString("utf8", FIXED_BYTES, bytes - CRC_BYTES);
  return { head: fromDescription(toDescription(text)), bytes, crc };
}

/** What `JSON.stringify` made of a head. */
interface Description extends Pick<SnapshotHead, "writtenAtMs" | "revisions" | "limits"> {
  readonly id: string;
  readonly epoch: string;
  readonly seeds: { readonly hash: string; readonly names: readonly [string, string] };
  readonly predecessors: readonly { readonly epoch: string; readonly endRevisions: readonly number[] }[];
  readonly parts: readonly (readonly (readonly [number, number])[])[];
}

/** A checksum that is right says nothing of who wrote it: another build may have another head in the same format. */
function toDescription(text: string): Description {
  let description: unknown;
  try {
    description = JSON.parse(text);
  } catch {
    // Told below.
  }
  if (!isDescription(description)) throw new SnapshotRefusal("format", "its head has another form");
  return description;
}

function isDescription(value: unknown): value is Description {
  if (!isRecord(value)) return false;
  const { id, epoch, writtenAtMs, revisions, limits, seeds, predecessors, parts } = value;
  const isWhole =
    [id, epoch].every(isHex) && isCount(writtenAtMs) && isRecord(limits) && isList(revisions, isCount);
  const hasSeeds =
    isRecord(seeds) && isHex(seeds.hash) && isList(seeds.names, isHex) && seeds.names.length === 2;
  const isPredecessor = (one: unknown) =>
    isRecord(one) && isHex(one.epoch) && isList(one.endRevisions, isCount);
  const isSize = (one: unknown) => isList(one, isCount) && one.length === 2;
  return (
    isWhole &&
    hasSeeds &&
    isList(predecessors, isPredecessor) &&
    isList(parts, (shard): shard is unknown[] => isList(shard, isSize))
  );
}

function isList(value: unknown, isElement: (element: unknown) => boolean): value is readonly unknown[] {
  return Array.isArray(value) && value.every(isElement);
}

function isHex(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{1,16}$/.test(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function fromDescription(description: Description): SnapshotHead {
  const { id, epoch, seeds, predecessors, parts, ...plain } = description;
  const [first, second] = seeds.names;
  return {
    ...plain,
    id: fromHex(id),
    epoch: fromHex(epoch),
    inheritance: {
      seeds: { hash: fromHex(seeds.hash), names: [fromHex(first), fromHex(second)] },
      predecessors: predecessors.map((one) => ({ ...one, epoch: fromHex(one.epoch) })),
    },
    parts: parts.map((sizes) => sizes.map(([count, elementBytes]) => ({ count, elementBytes }))),
  };
}

export function damaged(what: string): SnapshotRefusal {
  return new SnapshotRefusal("damaged", `it is damaged: ${what}`);
}

const toHex = (value: bigint): string => value.toString(16);
const fromHex = (text: string): bigint => BigInt(`0x${text}`);
