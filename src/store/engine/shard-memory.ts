/** Where each structure of a shard lies in the memory that the threads of a server share. */
import { type EventLogLimits, eventLogBytes } from "../events/event-log.ts";
import { prefixFencesBytes } from "../fences/prefix-fences.ts";
import { tagFencesBytes } from "../fences/tag-fences.ts";
import { leasesBytes } from "../leases/leases.ts";
import type { LeaseLimits } from "../leases/waiter-records.ts";
import { lockBytes } from "../shm/lock.ts";
import { alignedBytes, createBuffer, createCutter, type Region } from "../shm/region.ts";
import { shardClockBytes } from "../shm/shard-clock.ts";
import { requestIdsBytes } from "./request-ids.ts";
import { sweepStateBytes } from "./sweep-state.ts";
import { tombstonesBytes } from "./tombstones.ts";

export interface ShardLimits extends LeaseLimits {
  readonly budgetBytes: number;
  readonly tagFencesMax: number;
  readonly prefixFencesMax: number;
  readonly tombstonesMax: number;
  readonly requestIdsMax: number;
  readonly log: EventLogLimits;
}

const sizes = {
  lock: () => lockBytes,
  clock: () => shardClockBytes,
  sweep: () => sweepStateBytes,
  tagFences: (limits: ShardLimits) => tagFencesBytes(limits.tagFencesMax),
  prefixFences: (limits: ShardLimits) => prefixFencesBytes(limits.prefixFencesMax),
  tombstones: (limits: ShardLimits) => tombstonesBytes(limits.tombstonesMax),
  requestIds: (limits: ShardLimits) => requestIdsBytes(limits.requestIdsMax),
  leases: (limits: ShardLimits) => leasesBytes(limits),
  log: (limits: ShardLimits) => eventLogBytes(limits.log),
};

export type ShardRegions = Readonly<Record<keyof typeof sizes, Region>>;

/** Empty: all of it is zero. What is never needed costs no resident bytes. */
export function createShardState(limits: ShardLimits): SharedArrayBuffer {
  const bytes = Object.values(sizes).reduce((sum, size) => sum + alignedBytes(size(limits)), 0);
  return createBuffer(bytes);
}

export function cutShardState(state: SharedArrayBuffer, limits: ShardLimits): ShardRegions {
  const cut = createCutter(state);
  return {
    lock: cut(sizes.lock()),
    clock: cut(sizes.clock()),
    sweep: cut(sizes.sweep()),
    tagFences: cut(sizes.tagFences(limits)),
    prefixFences: cut(sizes.prefixFences(limits)),
    tombstones: cut(sizes.tombstones(limits)),
    requestIds: cut(sizes.requestIds(limits)),
    leases: cut(sizes.leases(limits)),
    log: cut(sizes.log(limits)),
  };
}
