/**
 * Bounds and counts over the whole process, however many servers share it. These are for a server that is alone; those for
 * the threads of one process are in workers/shared-bounds.ts.
 */
import type { TransportLimits } from "./transport-limits.ts";

/** Counts things of one kind up to a bound. */
export interface Quota {
  readonly taken: number;
  /** Takes one. False: all are taken. */
  take(): boolean;
  /** Gives one back. */
  give(): void;
}

/** The bytes that wait on all streams of the process. */
export interface QueueBudget {
  /** As many bytes wait as are allowed. */
  readonly spent: boolean;
  /** Adds to the bytes that wait. Negative: so many wait no longer. */
  add(bytes: number): void;
}

/** The bytes that the calls of the process hold. */
export interface HeldTotal {
  /** Those of other threads may be older by some. */
  readonly bytes: number;
  /** Reads those of all threads anew. */
  exactBytes(): number;
  /** Negative: so many are held no longer. */
  add(bytes: number): void;
}

export interface ProcessBounds {
  readonly connections: Quota;
  /** Only counted: the bounds of connections and streams bound them too. */
  readonly subscribers: Quota;
  /** Open watches of health: as many as connections, since a client needs one on each. */
  readonly watchers: Quota;
  readonly queues: QueueBudget;
  readonly held: HeldTotal;
}

export function createProcessBounds(limits: TransportLimits): ProcessBounds {
  return {
    connections: createQuota(limits.connectionsMax),
    subscribers: createQuota(Number.POSITIVE_INFINITY),
    watchers: createQuota(limits.connectionsMax),
    queues: createQueueBudget(limits.queuesMaxBytes),
    held: createHeldTotal(),
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

export function createHeldTotal(): HeldTotal {
  let heldBytes = 0;
  return {
    get bytes() {
      return heldBytes;
    },
    exactBytes: () => heldBytes,
    add(bytes) {
      heldBytes += bytes;
    },
  };
}
