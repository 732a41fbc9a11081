/**
 * Busy polling: after a large batch the thread polls its sockets for a short time instead of sleeping until one is readable.
 * Waking a thread costs some microseconds on a machine of its own. On a shared machine the hypervisor gives the processor to
 * others when the thread sleeps, and it may come back milliseconds later, while a client that sends all its calls in two
 * batches waits. Linux does the same for one socket (SO_BUSY_POLL), Seastar for its reactor (`--idle-poll-time-us`).
 *
 * Only large batches begin it. While each next batch arrives in time, the thread uses a whole core, however little work
 * there is. Polls that end without a batch take at most a tenth of the time.
 */
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { Gcra } from "../../common/gcra.ts";

export interface BusyPoll {
  /** Tells it that a batch of so many operations has arrived: the next may follow soon. */
  sawBatch(operations: number): void;
  /** Total time of the turns of the event loop in which there was nothing to do. */
  readonly spentMicros: number;
}

export interface BusyPollOptions {
  /** How long to poll for the next batch. 0: not at all. */
  readonly maxMs: number;
  readonly clock: Clock;
  readonly boundary: Boundary;
  /** Runs `poll` in the next turn of the event loop, which does not sleep before it. Default: `setImmediate`. */
  readonly nextTurn?: (poll: () => void) => void;
}

/**
 * Half of 48, the calls that the measured client had in flight, in two batches. At half load, with about 15 operations in a
 * batch, polling gained nothing and the slowest reads became slower.
 */
const BATCH_MIN_OPERATIONS = 24;
/** The part of the time that polls without a batch may take, and how many of these may follow one another. */
const MISSED_SHARE = 0.1;
const MISSED_BURST = 10;
/** A turn without work takes one or two microseconds. */
const EMPTY_TURN_MAX_MICROS = 20;

export function createBusyPoll({
  maxMs,
  clock,
  boundary,
  nextTurn = setImmediate,
}: BusyPollOptions): BusyPoll {
  const maxMicros = maxMs * 1_000;
  const missedPolls = new Gcra({ intervalMicros: maxMicros / MISSED_SHARE, burst: MISSED_BURST });
  let polling = false;
  let batchAtMicros = 0;
  let turnAtMicros = 0;
  let turnsLeft = 0;
  let spentMicros = 0;

  const poll = boundary.guard(undefined, (): void => {
    const nowMicros = clock.nowMicros();
    const turnMicros = nowMicros - turnAtMicros;
    turnAtMicros = nowMicros;
    turnsLeft -= 1;
    if (turnMicros <= EMPTY_TURN_MAX_MICROS) spentMicros += turnMicros;
    if (nowMicros - batchAtMicros < maxMicros && turnsLeft > 0) {
      nextTurn(poll);
      return;
    }
    polling = false;
    missedPolls.count(nowMicros);
  });

  return {
    sawBatch(operations) {
      if (operations < BATCH_MIN_OPERATIONS || maxMicros === 0) return;
      const nowMicros = clock.nowMicros();
      if (!polling && !missedPolls.allows(nowMicros)) return;
      batchAtMicros = nowMicros;
      // A turn takes at least a microsecond. So polling ends although the clock stands still.
      turnsLeft = maxMicros;
      if (polling) return;
      polling = true;
      turnAtMicros = nowMicros;
      nextTurn(poll);
    },
    get spentMicros() {
      return spentMicros;
    },
  };
}
