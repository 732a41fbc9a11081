/** The counters of a store as messages of AdminService. */
import { create } from "@bufbuild/protobuf";
import {
  EvictionStatsSchema,
  InvalidationStatsSchema,
  LeaseStatsSchema,
  type OperationStats,
  OperationStatsSchema,
  type ShardStats,
  ShardStatsSchema,
} from "../../gen/meshcache/v1/admin_pb.ts";
import type { StoreCounters, ShardStats as StoreShardStats } from "../store/api/store.ts";

export function toShardStats(stats: StoreShardStats, shard: number): ShardStats {
  return create(ShardStatsSchema, {
    shard,
    revision: BigInt(stats.revision),
    entries: BigInt(stats.entries),
    bytes: BigInt(stats.bytes),
    budgetBytes: BigInt(stats.budgetBytes),
    logEvents: BigInt(stats.logEvents),
  });
}

export function toOperationStats(counters: Readonly<StoreCounters>): OperationStats {
  return create(OperationStatsSchema, {
    hits: BigInt(counters.hits),
    misses: BigInt(counters.misses),
    staleHits: BigInt(counters.staleHits),
    sets: BigInt(counters.sets),
    setsRefused: BigInt(counters.setsRefused),
    touches: BigInt(counters.touches),
    invalidations: create(InvalidationStatsSchema, {
      keys: BigInt(counters.invalidatedKeys),
      tags: BigInt(counters.invalidatedTags),
      prefixes: BigInt(counters.invalidatedPrefixes),
      all: BigInt(counters.invalidatedAll),
    }),
    evictions: create(EvictionStatsSchema, {
      capacity: BigInt(counters.evictedCapacity),
      expired: BigInt(counters.evictedExpired),
      fenced: BigInt(counters.evictedFenced),
    }),
    leases: create(LeaseStatsSchema, {
      granted: BigInt(counters.leasesGranted),
      held: BigInt(counters.leasesHeld),
      shared: BigInt(counters.leasesShared),
      filled: BigInt(counters.leasesFilled),
      lost: BigInt(counters.leasesLost),
      expired: BigInt(counters.leasesExpired),
      released: BigInt(counters.leasesReleased),
      abandoned: BigInt(counters.leasesAbandoned),
      displaced: BigInt(counters.leasesDisplaced),
      refused: BigInt(counters.leasesRefused),
    }),
  });
}
