/**
 * Stamps and entries as messages, which several responses carry. They are literals, since they are made for every Get
 * and `create` costs more than the whole lookup.
 */
import type { Hit, Stamp } from "../../gen/meshcache/v1/cache_pb.ts";
import type { EntryView, Stamp as StoreStamp } from "../store/api/store.ts";

export function toStamp(epoch: bigint, stamp: StoreStamp): Stamp {
  return { $typeName: "meshcache.v1.Stamp", epoch, shard: stamp.shard, revision: BigInt(stamp.revision) };
}

/** Shares the bytes of the entry, which nobody changes after the store returned them. */
export function toHit(entry: EntryView): Hit {
  return {
    $typeName: "meshcache.v1.Hit",
    value: entry.value,
    version: BigInt(entry.version),
    sourceVersion: entry.sourceVersion,
    ttlRemainingMs: BigInt(entry.ttlRemainingMs),
    staleRemainingMs: BigInt(entry.staleRemainingMs),
    stale: entry.stale,
    ageMs: BigInt(entry.ageMs),
    absent: entry.absent,
    tags: [...entry.tags],
    contentType: entry.contentType,
    contentEncoding: entry.contentEncoding,
  };
}
