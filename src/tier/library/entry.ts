/** An entry, as the library writes it: a head of fixed size, the texts of its Set, and the value. */
import type { EntryView } from "../../store/api/store.ts";
import type { ShardHead } from "./head.ts";
import { TextReader } from "./text-reader.ts";

export const ENTRY_FLAG = { staled: 1, absent: 2, hasSource: 4, hasTags: 8 } as const;

/** As the library numbers them. */
export const ENTRY_STATE = { fresh: 0, pastTtl: 1, staled: 2, gone: 3 } as const;
export type EntryState = (typeof ENTRY_STATE)[keyof typeof ENTRY_STATE];

const META_BYTES_AT = 1;
const VERSION_AT = 4;
const SET_AT_AT = 10;
const FRESH_UNTIL_AT = 16;
const GONE_AT_AT = 22;
const FIXED_BYTES = 28;
const NUMBER_BYTES = 6;
const SOURCE_BYTES = 8;

/** What a native read of an entry is worth, at the time of the engine. "ask": only the library can tell. */
export function stateByHead(head: ShardHead, entry: Buffer | null, nowMs: number): EntryState | "ask" {
  if (entry === null) return ENTRY_STATE.gone;
  const flags = entry[0] ?? 0;
  const version = entry.readUIntBE(VERSION_AT, NUMBER_BYTES);
  const goneAtMs = entry.readUIntBE(GONE_AT_AT, NUMBER_BYTES);
  if (version <= head.base || (goneAtMs > 0 && nowMs >= goneAtMs)) return ENTRY_STATE.gone;
  const hasTags = (flags & ENTRY_FLAG.hasTags) !== 0;
  if (version < head.newestPrefix || (hasTags && version < head.newestTag)) return "ask";
  if ((flags & ENTRY_FLAG.staled) !== 0) return ENTRY_STATE.staled;
  const freshUntilMs = entry.readUIntBE(FRESH_UNTIL_AT, NUMBER_BYTES);
  return freshUntilMs === 0 || nowMs < freshUntilMs ? ENTRY_STATE.fresh : ENTRY_STATE.pastTtl;
}

/** The bytes of an entry's value, when there is no value behind its texts. */
export function valueBegin(entry: Buffer): number {
  return entry.readUIntBE(META_BYTES_AT, 3);
}

export function versionOf(entry: Buffer): number {
  return entry.readUIntBE(VERSION_AT, NUMBER_BYTES);
}

/** An entry as its readers see it. The value is a part of the bytes. */
export function toEntryView(entry: Buffer, state: EntryState, nowMs: number): EntryView {
  const flags = entry[0] ?? 0;
  const number = (at: number): number => entry.readUIntBE(at, NUMBER_BYTES);
  const hasSource = (flags & ENTRY_FLAG.hasSource) !== 0;
  const freshUntilMs = number(FRESH_UNTIL_AT);
  const goneAtMs = number(GONE_AT_AT);
  const stale = state !== ENTRY_STATE.fresh;
  const metaBytes = valueBegin(entry);
  const texts = new TextReader(entry, FIXED_BYTES + (hasSource ? SOURCE_BYTES : 0));
  const contentType = texts.short();
  const contentEncoding = texts.short();
  return {
    value: entry.subarray(metaBytes),
    version: number(VERSION_AT),
    sourceVersion: hasSource ? entry.readBigUInt64BE(FIXED_BYTES) : 0n,
    ttlRemainingMs: stale || freshUntilMs === 0 ? 0 : freshUntilMs - nowMs,
    staleRemainingMs: goneAtMs === 0 ? 0 : goneAtMs - (stale ? nowMs : freshUntilMs),
    stale,
    ageMs: Math.max(0, nowMs - number(SET_AT_AT)),
    absent: (flags & ENTRY_FLAG.absent) !== 0,
    tags: texts.rest(metaBytes),
    contentType,
    contentEncoding,
  };
}
