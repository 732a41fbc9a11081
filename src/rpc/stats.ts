/** The counters of a store as messages of AdminService. */
import { create } from "@bufbuild/protobuf";
import {
  EvictionStatsSchema,
  InvalidationStatsSchema,
  LeaseStatsSchema,
  type NamespaceStats,
  NamespaceStatsSchema,
  type OperationStats,
  OperationStatsSchema,
  type ShardStats,
  ShardStatsSchema,
  type SnapshotStatus,
  SnapshotStatus_Outcome,
  SnapshotStatusSchema,
} from "../../gen/meshcache/v1/admin_pb.ts";
import type { SnapshotOutcome } from "../store/api/snapshot-outcome.ts";
import type {
  NamespaceCounters,
  NamespaceUsage,
  StoreCounters,
  ShardStats as StoreShardStats,
} from "../store/api/store.ts";
import { mostActive, sumOfUsages } from "../store/api/usage.ts";

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

export function toSnapshotStatus(outcome: SnapshotOutcome): SnapshotStatus {
  switch (outcome.kind) {
    case "none":
      return create(SnapshotStatusSchema, { outcome: SnapshotStatus_Outcome.NONE });
    case "loaded":
      return create(SnapshotStatusSchema, {
        outcome: SnapshotStatus_Outcome.LOADED,
        writtenAtMs: BigInt(outcome.writtenAtMs),
        entries: BigInt(outcome.entries),
        bytes: BigInt(outcome.bytes),
        loadMs: BigInt(outcome.loadMs),
      });
    case "refused":
      return create(SnapshotStatusSchema, {
        outcome: SnapshotStatus_Outcome.REFUSED,
        refusal: outcome.reason,
      });
    default:
      return outcome satisfies never;
  }
}

const NAMESPACES_DEFAULT = 100;
const NAMESPACES_MAX = 1_000;

/** `max`: as in StatsRequest. */
export function toNamespaceStats(usages: readonly NamespaceUsage[], max: number): NamespaceStats[] {
  const named = mostActive(usages, Math.min(max === 0 ? NAMESPACES_DEFAULT : max, NAMESPACES_MAX));
  const names = new Set(named);
  const others = sumOfUsages(usages.filter((usage) => !names.has(usage)));
  return [...named, others].map((usage) =>
    create(NamespaceStatsSchema, {
      namespace: usage.namespace ?? "",
      entries: BigInt(usage.entries),
      bytes: BigInt(usage.bytes),
      ceilingBytes: usage.ceilingBytes === Infinity ? 0n : BigInt(usage.ceilingBytes),
      floorBytes: BigInt(usage.floorBytes),
      operations: create(OperationStatsSchema, toCounts(usage.counters)),
    }),
  );
}

export function toOperationStats(counters: Readonly<StoreCounters>): OperationStats {
  return create(OperationStatsSchema, {
    ...toCounts(counters),
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

function toCounts(counters: NamespaceCounters) {
  return {
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
  };
}
