/** Results of the library as results of the store. */
import { CacheError } from "../../common/errors.ts";
import { INCREMENT_REASONS, SET_REASONS } from "../../store/api/refusals.ts";
import type {
  FenceView,
  GetResult,
  IncrementResult,
  InspectedState,
  InspectResult,
  KeyView,
  LeaseResult,
  SetResult,
  Stamp,
  TouchResult,
} from "../../store/api/store.ts";
import { ENTRY_STATE, type EntryState, toEntryView } from "./entry.ts";
import { TextReader } from "./text-reader.ts";

/** What the first element of an answer says of the shard, after the call. */
export interface CallHead {
  /** Of the shard. */
  readonly epoch: bigint;
  /** Of the engine, at the call. */
  readonly nowMs: number;
  readonly revision: number;
}

/** What a result is read with. */
export interface ResultContext {
  readonly shard: number;
  /** `CallHead.nowMs`. */
  readonly nowMs: number;
}

const NUMBER_BYTES = 6;
const REST_AT = 1 + NUMBER_BYTES;
const NO_STATE = 255;
const BEGUN_AGAIN = 255;

const FENCE_KINDS: readonly FenceView["kind"][] = ["tag", "prefix", "namespace"];
const INSPECTED_STATES: readonly InspectedState[] = ["fresh", "expired", "staled", "gone"];

export function readCallHead(bytes: Buffer): CallHead {
  return {
    epoch: bytes.readBigUInt64BE(0),
    nowMs: bytes.readUIntBE(8, NUMBER_BYTES),
    revision: bytes.readUIntBE(8 + NUMBER_BYTES, NUMBER_BYTES),
  };
}

/** `known`: a version that the caller has already, of this epoch; 0: none. */
export function readGet(bytes: Buffer, { shard, nowMs }: ResultContext, known: number): GetResult {
  const asOf = stampOf(bytes, shard);
  if (statusOf(bytes) === 0) return { kind: "miss", asOf };
  const entry = viewAt(bytes, REST_AT, nowMs);
  if (known !== 0 && entry.version === known) {
    return { kind: "notModified", asOf, entry: { ...entry, value: entry.value.subarray(0, 0) } };
  }
  return { kind: "hit", asOf, entry };
}

/** Of a Get without the value. Undefined: there is no entry that a Get may see. */
export function readKeyView(bytes: Buffer, { nowMs }: ResultContext, key: string): KeyView | undefined {
  if (statusOf(bytes) === 0) return undefined;
  const entry = toEntryView(bytes.subarray(REST_AT + 5), stateAt(bytes, REST_AT), nowMs);
  const { version, ttlRemainingMs, staleRemainingMs, stale, absent } = entry;
  const valueBytes = bytes.readUInt32BE(REST_AT + 1);
  return { key, version, valueBytes, ttlRemainingMs, staleRemainingMs, stale, absent };
}

export function readSet(bytes: Buffer, { shard }: ResultContext): SetResult {
  checkLife(bytes);
  const asOf = stampOf(bytes, shard);
  const reason = SET_REASONS[statusOf(bytes) - 1];
  if (reason !== undefined) return { kind: "notStored", asOf, reason };
  return { kind: "stored", asOf, version: bytes.readUIntBE(REST_AT, NUMBER_BYTES) };
}

export function readTouch(bytes: Buffer, { shard }: ResultContext): TouchResult {
  return { asOf: stampOf(bytes, shard), touched: statusOf(bytes) === 0 };
}

export function readIncrement(bytes: Buffer, { shard, nowMs }: ResultContext): IncrementResult {
  checkLife(bytes);
  const asOf = stampOf(bytes, shard);
  const reason = INCREMENT_REASONS[statusOf(bytes) - 1];
  if (reason !== undefined) return { kind: "notIncremented", asOf, reason };
  const freshUntilMs = bytes.readUIntBE(REST_AT + NUMBER_BYTES, NUMBER_BYTES);
  const createdAt = REST_AT + 2 * NUMBER_BYTES;
  return {
    kind: "incremented",
    asOf,
    value: BigInt(bytes.toString("latin1", createdAt + 1)),
    version: bytes.readUIntBE(REST_AT, NUMBER_BYTES),
    // An answer that is given again counts from now. What has ended meanwhile must not read as what never ends.
    ttlRemainingMs: freshUntilMs === 0 ? 0 : Math.max(1, freshUntilMs - nowMs),
    created: bytes[createdAt] === 1,
  };
}

/** `token`: of the operation. */
export function readLease(bytes: Buffer, { shard, nowMs }: ResultContext, token: bigint): LeaseResult {
  const asOf = stampOf(bytes, shard);
  if (statusOf(bytes) === 1) return { kind: "hit", asOf, entry: viewAt(bytes, REST_AT, nowMs) };
  const leftMs = bytes.readUIntBE(REST_AT, NUMBER_BYTES);
  const stateBegin = REST_AT + NUMBER_BYTES;
  const stale = bytes[stateBegin] === NO_STATE ? undefined : viewAt(bytes, stateBegin, nowMs);
  return statusOf(bytes) === 2
    ? { kind: "granted", asOf, token, leaseMs: leftMs, stale }
    : { kind: "held", asOf, retryAfterMs: leftMs, stale };
}

export function readRelease(bytes: Buffer, { shard }: ResultContext): { asOf: Stamp; released: boolean } {
  return { asOf: stampOf(bytes, shard), released: statusOf(bytes) === 0 };
}

/** Of one shard. */
export function readInvalidate(bytes: Buffer, { shard }: ResultContext): { asOf: Stamp; removed: number } {
  return { asOf: stampOf(bytes, shard), removed: bytes.readUInt32BE(REST_AT) };
}

export function readInspect(bytes: Buffer, { shard, nowMs }: ResultContext): InspectResult {
  const asOf = stampOf(bytes, shard);
  const fences: FenceView[] = [];
  const texts = new TextReader(bytes, REST_AT + 2);
  for (let left = bytes.readUInt16BE(REST_AT); left > 0; left--) {
    const at = texts.at;
    texts.at += 3 + NUMBER_BYTES;
    fences.push({
      kind: FENCE_KINDS[bytes[at] ?? 0] ?? "namespace",
      name: texts.long(),
      soft: bytes[at + 1] === 1,
      revision: bytes.readUIntBE(at + 3, NUMBER_BYTES),
      covers: bytes[at + 2] === 1,
    });
  }
  fences.sort((one, other) => other.revision - one.revision);
  if (statusOf(bytes) === 0) return { asOf, entry: undefined, fences };
  const state = INSPECTED_STATES[bytes[texts.at] ?? 0] ?? "gone";
  return { asOf, entry: { state, view: viewAt(bytes, texts.at, nowMs) }, fences };
}

/** Throws UNAVAILABLE to a retry of what may have run before the shard began again. */
function checkLife(bytes: Buffer): void {
  if (statusOf(bytes) !== BEGUN_AGAIN) return;
  const message = "the shard has begun again: the operation may or may not have taken effect";
  throw new CacheError("UNAVAILABLE", message);
}

function statusOf(bytes: Buffer): number {
  return bytes[0] ?? 0;
}

function stampOf(bytes: Buffer, shard: number): Stamp {
  return { shard, revision: bytes.readUIntBE(1, NUMBER_BYTES) };
}

function stateAt(bytes: Buffer, at: number): EntryState {
  const state = bytes[at];
  const { fresh, pastTtl, staled, gone } = ENTRY_STATE;
  return state === fresh || state === pastTtl || state === staled ? state : gone;
}

function viewAt(bytes: Buffer, at: number, nowMs: number): ReturnType<typeof toEntryView> {
  return toEntryView(bytes.subarray(at + 1), stateAt(bytes, at), nowMs);
}
