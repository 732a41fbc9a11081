/**
 * Stamps and entries, which several responses carry. Written as literals: `create` costs more than the whole
 * lookup, and these are made for every Get.
 */
import type { Hit, Stamp } from "../../gen/meshcache/v1/cache_pb.ts";
import type { EntryView, Stamp as StoreStamp } from "../store/api/store.ts";

export function toStamp(epoch: bigint, stamp: StoreStamp): Stamp {
  return { $typeName: "meshcache.v1.Stamp", epoch, shard: stamp.shard, revision: BigInt(stamp.revision) };
}

/** Shares the entry's bytes: the store gave them away for good. */
export function toHit(entry: EntryView): Hit {
  return {
    $typeName: "meshcache.v1.Hit",
    value: entry.value,
    version: BigInt(entry.version),
    sourceVersion: entry.sourceVersion,
    ttlRemainingMs: BigInt(entry.ttlRemainingMs),
    staleRemainingMs: BigInt(entry.staleRemainingMs),
    stale: entry.stale,
    absent: entry.absent,
    tags: [...entry.tags],
    contentType: entry.contentType,
  };
}
