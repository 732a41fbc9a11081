/** Stamps and entries, which several responses carry. */
import { create } from "@bufbuild/protobuf";
import { type Hit, HitSchema, type Stamp, StampSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import type { EntryView, Stamp as StoreStamp } from "../store/store.ts";

export function toStamp(epoch: bigint, stamp: StoreStamp): Stamp {
  return create(StampSchema, { epoch, shard: stamp.shard, revision: BigInt(stamp.revision) });
}

/** Shares the entry's bytes: the store gave them away for good. */
export function toHit(entry: EntryView): Hit {
  return create(HitSchema, {
    value: entry.value,
    version: BigInt(entry.version),
    sourceVersion: entry.sourceVersion,
    ttlRemainingMs: BigInt(entry.ttlRemainingMs),
    staleRemainingMs: BigInt(entry.staleRemainingMs),
    stale: entry.stale,
    absent: entry.absent,
    tags: [...entry.tags],
    contentType: entry.contentType,
  });
}
