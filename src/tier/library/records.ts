/**
 * What the library publishes and writes into the stream of a shard: one record for each revision, and those of one call
 * together.
 */
import type { EventKind, EventTarget, StoreEvent } from "../../store/api/store.ts";
import { TextReader } from "./text-reader.ts";

const KINDS: readonly EventKind[] = ["set", "invalidated", "staled", "touched"];
const TARGETS: readonly EventTarget[] = ["key", "tag", "prefix", "all"];
const EPOCH_BYTES = 8;
const LENGTH_BYTES = 4;
const WHAT_AT = 6;
const LEASE_ENDED = 0x40;
const CLAIMED = 0x41;

interface RecordHead {
  /** Of the shard. */
  readonly epoch: bigint;
  readonly revision: number;
}

export type TierRecord =
  /** The events of one revision. */
  | (RecordHead & { readonly kind: "events"; readonly events: readonly StoreEvent[] })
  /** Of these keys, at the revision that was there already: only published, in no stream, for who waits for the leases. */
  | (RecordHead & {
      readonly kind: "leaseEnded";
      readonly namespace: string;
      readonly keys: readonly string[];
    })
  /** A new epoch of the shard, in which nothing from before is there any more. */
  | (RecordHead & { readonly kind: "claimed" });

/** The records of one call, in the order of their revisions. The last one has the id of the stream's record. */
export function readRecords(bytes: Buffer, shard: number): TierRecord[] {
  const epoch = bytes.readBigUInt64BE(0);
  const records: TierRecord[] = [];
  for (let at = EPOCH_BYTES; at < bytes.length; ) {
    const begin = at + LENGTH_BYTES;
    at = begin + bytes.readUInt32BE(at);
    records.push(readRecord(bytes.subarray(begin, at), shard, epoch));
  }
  return records;
}

function readRecord(bytes: Buffer, shard: number, epoch: bigint): TierRecord {
  const revision = bytes.readUIntBE(0, WHAT_AT);
  const what = bytes[WHAT_AT] ?? 0;
  if (what === CLAIMED) return { kind: "claimed", epoch, revision };
  const texts = new TextReader(bytes, WHAT_AT + 1);
  const namespace = texts.short();
  const origin = texts.long();
  const traceparent = texts.short();
  const names = texts.rest();
  if (what === LEASE_ENDED) return { kind: "leaseEnded", epoch, revision, namespace, keys: names };
  const kind = KINDS[what & 3] ?? "set";
  const target = TARGETS[(what >> 2) & 3] ?? "key";
  const events = names.map((name) => ({
    shard,
    revision,
    kind,
    namespace,
    target,
    name,
    origin,
    traceparent,
  }));
  return { kind: "events", epoch, revision, events };
}
