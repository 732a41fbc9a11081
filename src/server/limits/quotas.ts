/**
 * What is bounded or counted over the whole process, however many servers share it. Here for one that is
 * alone; for the threads of one process in workers/shared-bounds.ts.
 */
import type { TransportLimits } from "./transport-limits.ts";

/** How many there are of something, and whether there may be one more. */
export interface Quota {
  readonly taken: number;
  /** False: as many as there may be are taken. */
  take(): boolean;
  /** One that was taken is gone. */
  give(): void;
}

/** Bytes that wait on all streams of the process. */
export interface QueueBudget {
  /** As many bytes wait as may. */
  readonly spent: boolean;
  /** Negative for those that have gone. */
  add(bytes: number): void;
}

export interface ProcessBounds {
  readonly connections: Quota;
  /** Counted, and bounded by what carries them. */
  readonly subscribers: Quota;
  /** Open watches of health: as many as connections, since a client needs one for each. */
  readonly watchers: Quota;
  readonly queues: QueueBudget;
}

export function createProcessBounds(limits: TransportLimits): ProcessBounds {
  return {
    connections: createQuota(limits.connectionsMax),
    subscribers: createQuota(Number.POSITIVE_INFINITY),
    watchers: createQuota(limits.connectionsMax),
    queues: createQueueBudget(limits.queuesMaxBytes),
  };
}

function createQuota(max: number): Quota {
  let taken = 0;
  return {
    get taken() {
      return taken;
    },
    take() {
      if (taken >= max) return false;
      taken += 1;
      return true;
    },
    give() {
      taken -= 1;
    },
  };
}

function createQueueBudget(maxBytes: number): QueueBudget {
  let queuedBytes = 0;
  return {
    get spent() {
      return queuedBytes >= maxBytes;
    },
    add(bytes) {
      queuedBytes += bytes;
    },
  };
}
