/** What memory a server with given settings may take, part by part, when all that is bounded is at its bound. */
import { shardStateBytes } from "../../store/engine/shard-memory.ts";
import { plural, toCount, toSize } from "../output/text.ts";
import type { CgroupLimit } from "./cgroup.ts";
import type { Settings } from "./settings.ts";

export interface MemoryPart {
  readonly part: string;
  readonly bytes: number;
  /** The settings, or the measurement, that it comes from. */
  readonly from: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Measured with Node 24 on Linux, rounded up: see "Sizing" in docs/operations.md. `npm run proof:memory` measures it anew. */
export const MEASURED_BYTES = {
  /** An idle process with an empty store and one worker, which is its main thread. */
  process: 184 * MIB,
  /** What a worker's heap and buffers grow by under load. */
  busyWorker: 96 * MIB,
  /** An idle worker that is a thread of its own. */
  workerThread: 84 * MIB,
  /** An idle HTTP/2 connection. */
  connection: 48 * KIB,
} as const;

/** The part of a limit that a server may fill. The kernel charges sockets and files to the limit too. */
const USABLE_SHARE = 0.95;

export function memoryParts(settings: Settings): MemoryPart[] {
  const { workers, storeBudgetBytes, queuesMaxBytes, heldMaxBytes, connectionsMax } = settings;
  return [
    { part: "process", bytes: MEASURED_BYTES.process, from: "measured: idle, its store empty" },
    {
      part: plural(workers, "worker"),
      bytes: workers * workerBytes(workers),
      from: `workers, ${toSize(workerBytes(workers))} each, measured under load`,
    },
    { part: "entries", bytes: storeBudgetBytes, from: "storeBudgetBytes" },
    {
      part: "event logs, fences, tombstones, leases, request ids, namespaces",
      bytes: stateBytes(settings),
      from: "shards, storeBudgetBytes, logMaxBytes, leasesMax, tombstonesMax, tagFencesMax, prefixFencesMax, requestIdsMax, namespacesMax",
    },
    { part: "queues of streams", bytes: queuesMaxBytes, from: "queuesMaxBytes" },
    { part: "requests, results and answers of calls", bytes: heldMaxBytes, from: "heldMaxBytes" },
    {
      part: plural(connectionsMax, "connection"),
      bytes: connectionsMax * MEASURED_BYTES.connection,
      from: `connectionsMax, ${toCount(MEASURED_BYTES.connection / KIB)} KiB each, measured`,
    },
  ];
}

/** Of all shards, what is not entries. */
function stateBytes(settings: Settings): number {
  return settings.shards * shardStateBytes(shardLimits(settings));
}

/** A snapshot has the memory of the shards, as far as it is in use. */
export function snapshotMaxBytes(settings: Settings): number {
  return settings.storeBudgetBytes + stateBytes(settings);
}

export function workerBytes(workers: number): number {
  return MEASURED_BYTES.busyWorker + (workers === 1 ? 0 : MEASURED_BYTES.workerThread);
}

/** What the server stays below, whatever is stored, however many connect and whatever their calls hold. */
export function ceilingBytes(settings: Settings): number {
  return memoryParts(settings).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** An idle server with an empty store. */
export function idleBytes({ workers }: Settings): number {
  return MEASURED_BYTES.process + (workers === 1 ? 0 : workers * MEASURED_BYTES.workerThread);
}

/** The least limit, in whole MiB, under which a server with this ceiling fits. */
export function containerBytes(settings: Settings): number {
  return Math.ceil(ceilingBytes(settings) / USABLE_SHARE / MIB) * MIB;
}

export function usableBytes(limit: CgroupLimit): number {
  return Math.floor(limit.value * USABLE_SHARE);
}

function shardLimits(settings: Settings) {
  const { shards, storeBudgetBytes, logMaxEvents, logMaxBytes, leaseWaitersMax } = settings;
  return {
    ...settings,
    budgetBytes: Math.floor(storeBudgetBytes / shards),
    log: { maxEvents: logMaxEvents, maxBytes: logMaxBytes },
    waitersMax: leaseWaitersMax,
  };
}
