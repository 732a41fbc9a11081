/** The bounds of a process whose servers are threads: their counts are in memory that all threads share. */
import type { HeldTotal, ProcessBounds, QueueBudget, Quota } from "../limits/quotas.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";

/** Each count has a cache line of its own, so that threads that write different counts do not slow each other down. */
const LINE_BYTES = 64;
const CONNECTIONS_AT = 0;
const SUBSCRIBERS_AT = LINE_BYTES;
const WATCHERS_AT = 2 * LINE_BYTES;
const QUEUES_AT = 3 * LINE_BYTES;
/** In the line of a thread, behind the bytes of its queues. */
const HELD_AT = QUEUES_AT + Float64Array.BYTES_PER_ELEMENT;
const STRIDE = LINE_BYTES / Float64Array.BYTES_PER_ELEMENT;
/** A thread that has added so many bytes reads anew what the others hold. */
const REREAD_BYTES = 1024 * 1024;
const COUNT_MAX = 2 ** 31 - 1;

/** For the bounds of `threads` servers. All counts are zero. */
export function createBoundsMemory(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(QUEUES_AT + threads * LINE_BYTES);
}

/** The bounds as the thread with this number uses them. */
export function attachBounds(
  memory: SharedArrayBuffer,
  thread: number,
  limits: TransportLimits,
): ProcessBounds {
  return {
    connections: createSharedQuota(new Int32Array(memory, CONNECTIONS_AT, 1), limits.connectionsMax),
    subscribers: createSharedQuota(new Int32Array(memory, SUBSCRIBERS_AT, 1), COUNT_MAX),
    watchers: createSharedQuota(new Int32Array(memory, WATCHERS_AT, 1), limits.connectionsMax),
    queues: createSharedBudget(new Float64Array(memory, QUEUES_AT), thread, limits.queuesMaxBytes),
    held: createSharedTotal(new Float64Array(memory, HELD_AT), thread),
  };
}

function createSharedQuota(count: Int32Array, max: number): Quota {
  return {
    get taken() {
      return Atomics.load(count, 0);
    },
    take() {
      let taken = Atomics.load(count, 0);
      while (taken < max) {
        const found = Atomics.compareExchange(count, 0, taken, taken + 1);
        if (found === taken) return true;
        taken = found;
      }
      return false;
    },
    give() {
      Atomics.sub(count, 0, 1);
    },
  };
}

/**
 * The bytes exceed an Int32, for which alone there are atomic additions, and change with every frame. So each thread writes
 * a row of its own, and `spent` adds the rows up. It may miss a frame that another thread queues at the same instant.
 */
function createSharedBudget(rows: Float64Array, thread: number, maxBytes: number): QueueBudget {
  const own = thread * STRIDE;
  let ownBytes = 0;
  return {
    get spent() {
      let queuedBytes = 0;
      for (let row = 0; row < rows.length; row += STRIDE) queuedBytes += rows[row] ?? 0;
      return queuedBytes >= maxBytes;
    },
    add(bytes) {
      ownBytes += bytes;
      rows[own] = ownBytes;
    },
  };
}

/** As the budget of queues, but what the others hold is read only now and then: each call asks for the sum. */
function createSharedTotal(rows: Float64Array, thread: number): HeldTotal {
  const own = thread * STRIDE;
  let ownBytes = 0;
  let othersBytes = 0;
  let addedBytes = 0;
  const exactBytes = (): number => {
    let bytes = 0;
    for (let row = 0; row < rows.length; row += STRIDE) bytes += rows[row] ?? 0;
    othersBytes = bytes - ownBytes;
    addedBytes = 0;
    return bytes;
  };
  return {
    get bytes() {
      return addedBytes >= REREAD_BYTES ? exactBytes() : ownBytes + othersBytes;
    },
    exactBytes,
    add(bytes) {
      ownBytes += bytes;
      rows[own] = ownBytes;
      if (bytes > 0) addedBytes += bytes;
    },
  };
}
