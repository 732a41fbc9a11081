/**
 * The fixed part of an entry in the log: 36 bytes, aligned to 4.
 *
 *   word 0   the mixed hash of namespace and key
 *   word 1   bytes of the key (16 bits), bytes of the namespace (8), flags (8)
 *   word 2   lower bits of the bytes of the value (24), upper bits of the stale window (8)
 *   word 3   lower bits of the stale window, in ms
 *   word 4   lower bits of the version
 *   word 5   lower bits of the end of the freshness, in the clock's ms
 *   word 6   upper bits of the version (16), upper bits of the end of the freshness (16)
 *   word 7   record of the namespace (16), upper bits of the bytes of the value (8), upper bits of the time of the Set (8)
 *   word 8   lower bits of the time of the Set, in the clock's ms
 *
 * Behind it: namespace (when its record is shared), key, source version (when flagged), labels (when flagged) and value. The *head*, all but the
 * value, lies in one segment. A value may continue in the next segments of its ring.
 */
import type { Memory } from "./memory.ts";

export const HEADER_BYTES = 36;
/** What an entry takes in the index, beside its bytes in the log. */
export const SLOT_BYTES = 8;
export const KEY_MAX_BYTES = 0xfffe;
export const NAMESPACE_MAX_BYTES = 0xff;
/** More than fits into any table. */
export const VALUE_MAX_BYTES = 0xffff_ffff;
export const USES_MAX = 3;

/** Word 1 at the place of an entry: no further entry begins in this segment. */
export const PADDING = 0xffff_ffff;

export const FLAG = {
  /** Two bits: how often the entry was used since its put or its last move to a head, at most `USES_MAX`. */
  uses: 0x0300_0000,
  /** Removed or overwritten: it is not in the index any more. */
  dead: 0x0400_0000,
  staled: 0x0800_0000,
  absent: 0x1000_0000,
  sourceVersion: 0x2000_0000,
  labels: 0x4000_0000,
  mainRing: 0x8000_0000,
} as const;

const USES_SHIFT = 24;
const TWO_32 = 0x1_0000_0000;
const RECORD_MASK = 0xffff;
const VALUE_LOW_MASK = 0xff_ffff;
const VALUE_HIGH_UNIT = 0x100_0000;
const NO_END_FRESH = 0xffff_ffff_ffff;
const NO_END_STALE = 0xff_ffff_ffff;

export interface HeaderFields {
  readonly record: number;
  readonly hash: number;
  readonly keyBytes: number;
  readonly namespaceBytes: number;
  readonly valueBytes: number;
  /** Any of `FLAG`. */
  readonly flags: number;
  readonly version: number;
  readonly freshUntilMs: number;
  readonly staleUntilMs: number;
  readonly setAtMs: number;
}

export function writeHeader(memory: Memory, at: number, fields: HeaderFields): void {
  memory.setWord(at, fields.hash);
  memory.setWord(at + 1, fields.keyBytes | (fields.namespaceBytes << 16) | fields.flags);
  memory.setWord(at + 2, fields.valueBytes & VALUE_LOW_MASK);
  memory.setWord(at + 4, fields.version >>> 0);
  memory.setWord(at + 6, Math.floor(fields.version / TWO_32));
  const valueHigh = Math.floor(fields.valueBytes / VALUE_HIGH_UNIT) << 16;
  memory.setWord(at + 7, fields.record | valueHigh | (Math.floor(fields.setAtMs / TWO_32) << 24));
  memory.setWord(at + 8, fields.setAtMs >>> 0);
  writeLifetimes(memory, at, fields.freshUntilMs, fields.staleUntilMs);
}

/** Both times are whole numbers or `Infinity`. */
export function writeLifetimes(memory: Memory, at: number, freshUntilMs: number, staleUntilMs: number): void {
  const fresh = Math.min(freshUntilMs, NO_END_FRESH);
  const stale = staleUntilMs === Infinity ? NO_END_STALE : staleUntilMs - freshUntilMs;
  memory.setWord(at + 2, (memory.word(at + 2) & VALUE_LOW_MASK) | (Math.floor(stale / TWO_32) << 24));
  memory.setWord(at + 3, stale >>> 0);
  memory.setWord(at + 5, fresh >>> 0);
  memory.setWord(at + 6, (memory.word(at + 6) & 0xffff) | (Math.floor(fresh / TWO_32) << 16));
}

export const hashAt = (memory: Memory, at: number): number => memory.word(at);
export const keyBytesAt = (memory: Memory, at: number): number => memory.word(at + 1) & 0xffff;
export const namespaceBytesAt = (memory: Memory, at: number): number => (memory.word(at + 1) >>> 16) & 0xff;
export const recordAt = (memory: Memory, at: number): number => memory.word(at + 7) & RECORD_MASK;
export const usesAt = (memory: Memory, at: number): number => (memory.word(at + 1) >>> USES_SHIFT) & USES_MAX;

export function valueBytesAt(memory: Memory, at: number): number {
  return (memory.word(at + 2) & VALUE_LOW_MASK) + ((memory.word(at + 7) >>> 16) & 0xff) * VALUE_HIGH_UNIT;
}

export function versionAt(memory: Memory, at: number): number {
  return (memory.word(at + 6) & 0xffff) * TWO_32 + memory.word(at + 4);
}

export function freshUntilMsAt(memory: Memory, at: number): number {
  const fresh = (memory.word(at + 6) >>> 16) * TWO_32 + memory.word(at + 5);
  return fresh === NO_END_FRESH ? Infinity : fresh;
}

export function staleUntilMsAt(memory: Memory, at: number): number {
  const stale = (memory.word(at + 2) >>> 24) * TWO_32 + memory.word(at + 3);
  return stale === NO_END_STALE ? Infinity : freshUntilMsAt(memory, at) + stale;
}

/** Modulo 2^40, which is `SET_TIME_SPAN_MS`. */
export function setAtMsAt(memory: Memory, at: number): number {
  return (memory.word(at + 7) >>> 24) * TWO_32 + memory.word(at + 8);
}

export function hasFlag(memory: Memory, at: number, mask: number): boolean {
  return (memory.word(at + 1) & mask) !== 0;
}

export function setFlag(memory: Memory, at: number, mask: number): void {
  memory.setWord(at + 1, memory.word(at + 1) | mask);
}

/** The flags, with another number of uses. */
export function withUses(flags: number, uses: number): number {
  return (flags & ~FLAG.uses) | (uses << USES_SHIFT);
}

export function setUses(memory: Memory, at: number, uses: number): void {
  memory.setWord(at + 1, withUses(memory.word(at + 1), uses));
}

/** The bytes before the value. */
export function headBytesAt(memory: Memory, at: number): number {
  const word = memory.word(at + 1);
  let bytes = HEADER_BYTES + (word & 0xffff) + ((word >>> 16) & 0xff);
  if ((word & FLAG.sourceVersion) !== 0) bytes += SOURCE_VERSION_BYTES;
  if ((word & FLAG.labels) !== 0) bytes += uint16At(memory.bytes, at * 4 + bytes);
  return bytes;
}

export const SOURCE_VERSION_BYTES = 8;

/** The bytes that an entry takes in its ring. */
export function entryBytes(headBytes: number, valueBytes: number): number {
  return (headBytes + valueBytes + 3) & ~3;
}

export function entryBytesAt(memory: Memory, at: number): number {
  return entryBytes(headBytesAt(memory, at), valueBytesAt(memory, at));
}

/** Two bytes, the lower one first. Without the checks of a `Buffer`'s method, which cost more than the bytes. */
export function uint16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

export function setUint16At(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}
