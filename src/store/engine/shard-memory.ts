/** The layout of a shard in shared memory: a region for each of its structures. */
import { type EventLogLimits, eventLogBytes } from "../events/event-log.ts";
import { type FenceLimits, fencesBytes } from "../fences/fences.ts";
import { LEASES_BYTES } from "../leases/leases.ts";
import type { LeaseLimits } from "../leases/waiter-records.ts";
import { namespaceTableBytes, recordsOf } from "../namespaces/namespace-table.ts";
import { LOCK_BYTES } from "../shm/lock.ts";
import { alignedBytes, createBuffer, createCutter, type Region } from "../shm/region.ts";
import { SHARD_CLOCK_BYTES } from "../shm/shard-clock.ts";
import { requestIdsBytes } from "./request-ids.ts";
import { SWEEP_STATE_BYTES } from "./sweep-state.ts";
import { tombstonesBytes } from "./tombstones.ts";

export interface ShardLimits extends LeaseLimits, FenceLimits {
  readonly namespacesMax: number;
  readonly tombstonesMax: number;
  readonly requestIdsMax: number;
  readonly log: EventLogLimits;
}

const SIZES = {
  lock: () => LOCK_BYTES,
  clock: () => SHARD_CLOCK_BYTES,
  sweep: () => SWEEP_STATE_BYTES,
  namespaces: (limits: ShardLimits) => namespaceTableBytes(limits.namespacesMax),
  fences: (limits: ShardLimits) => fencesBytes(limits, recordsOf(limits.namespacesMax)),
  tombstones: (limits: ShardLimits) => tombstonesBytes(limits.tombstonesMax, recordsOf(limits.namespacesMax)),
  requestIds: (limits: ShardLimits) => requestIdsBytes(limits.requestIdsMax, recordsOf(limits.namespacesMax)),
  leases: (limits: ShardLimits) => LEASES_BYTES(limits),
  log: (limits: ShardLimits) => eventLogBytes(limits.log),
};

export type ShardRegions = Readonly<Record<keyof typeof SIZES, Region>>;

/** What a shard takes beside its entries when it remembers all that it may. */
export function shardStateBytes(limits: ShardLimits): number {
  return Object.values(SIZES).reduce((sum, size) => sum + alignedBytes(size(limits)), 0);
}

/** Memory for an empty shard. Pages that are never written to cost no resident memory. */
export function createShardState(limits: ShardLimits): SharedArrayBuffer {
  return createBuffer(shardStateBytes(limits));
}

export function cutShardState(state: SharedArrayBuffer, limits: ShardLimits): ShardRegions {
  const cut = createCutter(state);
  return {
    lock: cut(SIZES.lock()),
    clock: cut(SIZES.clock()),
    sweep: cut(SIZES.sweep()),
    namespaces: cut(SIZES.namespaces(limits)),
    fences: cut(SIZES.fences(limits)),
    tombstones: cut(SIZES.tombstones(limits)),
    requestIds: cut(SIZES.requestIds(limits)),
    leases: cut(SIZES.leases(limits)),
    log: cut(SIZES.log(limits)),
  };
}
