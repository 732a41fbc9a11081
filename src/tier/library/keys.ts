/** The shards of the tier and the names of their keys: each shard is in one hash slot of the engine. */
import { createHash } from "node:crypto";

/** A tag invalidation costs one call a shard. */
export const TIER_SHARDS = 64;

const SLOTS = 16_384;
const TAG_PREFIX = "mc";
const LAYOUT_FORMAT = 1;
const LAYOUT_BYTES = 11;

/** The hash tag of each shard: one for each 256 slots, so that nodes with even shares of the slots have even shares of them. */
const TAGS = shardTags();

/** Throws RangeError for a number that is no shard. */
export function shardTag(shard: number): string {
  const tag = TAGS[shard];
  if (tag === undefined) throw new RangeError("there is no such shard");
  return tag;
}

export function slotOfShard(shard: number): number {
  return slotOf(shardTag(shard));
}

/** The names of the keys of one shard. */
export interface ShardKeys {
  readonly head: string;
  /** Of the records of mutations, and the channel on which they are published. */
  readonly stream: string;
  /** What the keys of entries begin with. */
  readonly entries: string;
  /** What all servers share. Beside each shard, so that it is lost with the last of them only. */
  readonly layout: string;
}

export function shardKeys(shard: number): ShardKeys {
  const root = `{${shardTag(shard)}}:`;
  return { head: `${root}m`, stream: `${root}x`, entries: `${root}e:`, layout: `${root}layout` };
}

/** What follows `ShardKeys.entries`, and what names an entry to a sweep. */
export function entryName(namespace: string, key: string): string {
  return `${namespace}\0${key}`;
}

/** What the servers of a tier must agree on. */
export interface TierLayout {
  readonly shards: number;
  /** Of the hash that chooses the shard of a key. */
  readonly seed: bigint;
}

export function writeLayout({ shards, seed }: TierLayout): Buffer {
  const bytes = Buffer.alloc(LAYOUT_BYTES);
  bytes.writeUInt8(LAYOUT_FORMAT, 0);
  bytes.writeUInt16BE(shards, 1);
  bytes.writeBigUInt64BE(seed, 3);
  return bytes;
}

/** Undefined: it is of another format. */
export function readLayout(bytes: Buffer): TierLayout | undefined {
  if (bytes.length !== LAYOUT_BYTES || bytes[0] !== LAYOUT_FORMAT) return undefined;
  return { shards: bytes.readUInt16BE(1), seed: bytes.readBigUInt64BE(3) };
}

/** Four bytes, in every head and every call: a server with another layout gets LAYOUT. */
export function layoutId(layout: Buffer): Buffer {
  return createHash("sha1").update(layout).digest().subarray(0, 4);
}

/** The slot of a hash tag. */
function slotOf(tag: string): number {
  return crc16(Buffer.from(tag)) % SLOTS;
}

/** CRC-16/XMODEM, as the specification of the cluster has it. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc;
}

function shardTags(): readonly string[] {
  const tags = new Map<number, string>();
  for (let number = 0; tags.size < TIER_SHARDS; number++) {
    const tag = TAG_PREFIX + number;
    const shard = Math.floor((slotOf(tag) * TIER_SHARDS) / SLOTS);
    if (!tags.has(shard)) tags.set(shard, tag);
  }
  return Array.from({ length: TIER_SHARDS }, (_, shard) => tags.get(shard) ?? "");
}
