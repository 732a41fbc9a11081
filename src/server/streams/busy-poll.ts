/**
 * Looks at the sockets again and again for a while instead of sleeping until one has something. Waking a thread takes
 * some microseconds on a machine of one's own; on a shared one its processor is given to others when it halts, and comes
 * back up to milliseconds later, while a client with all its calls in two batches waits. Linux does the same for one
 * socket (SO_BUSY_POLL), Seastar for its reactor (`--idle-poll-time-us`).
 *
 * Only large batches begin it. While they follow one another in time the thread takes its core whole, whatever they
 * are to do; what it looks for in vain takes a tenth of the time at most.
 */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { Gcra } from "../../common/gcra.ts";

export interface BusyPoll {
  /** A batch of so many operations has come: the next may follow soon. */
  sawBatch(operations: number): void;
  /** Turns of the event loop in which there was nothing to do, in all. */
  readonly spentMicros: number;
}

export interface BusyPollOptions {
  /** How long the next batch is looked for. 0: not at all. */
  readonly maxMs: number;
  readonly clock: Clock;
  readonly boundary: Boundary;
  /** Runs `look` in the next turn of the event loop, which does not sleep before it. Default: `setImmediate`. */
  readonly nextTurn?: (look: () => void) => void;
}

/**
 * Half of 48, which the client sends in two. At half load, with some 15 in a message, looking gained nothing, and the
 * slowest reads were slower.
 */
const BATCH_MIN_OPERATIONS = 24;
const VAIN_SHARE = 0.1;
const VAIN_BURST = 10;
/** One in which nothing is done takes one or two. */
const EMPTY_TURN_MAX_MICROS = 20;

export function createBusyPoll({
  maxMs,
  clock,
  boundary,
  nextTurn = setImmediate,
}: BusyPollOptions): BusyPoll {
  const maxMicros = maxMs * 1_000;
  const vain = new Gcra({ intervalMicros: maxMicros / VAIN_SHARE, burst: VAIN_BURST });
  let looking = false;
  let sinceMicros = 0;
  let lookedMicros = 0;
  let turnsLeft = 0;
  let spentMicros = 0;

  const look = boundary.guard(undefined, (): void => {
    const nowMicros = clock.nowMicros();
    const turnMicros = nowMicros - lookedMicros;
    lookedMicros = nowMicros;
    turnsLeft -= 1;
    if (turnMicros <= EMPTY_TURN_MAX_MICROS) spentMicros += turnMicros;
    if (nowMicros - sinceMicros < maxMicros && turnsLeft > 0) {
      nextTurn(look);
      return;
    }
    looking = false;
    vain.count(nowMicros);
  });

  return {
    sawBatch(operations) {
      if (operations < BATCH_MIN_OPERATIONS || maxMicros === 0) return;
      const nowMicros = clock.nowMicros();
      if (!looking && !vain.allows(nowMicros)) return;
      sinceMicros = nowMicros;
      // A turn takes a microsecond or more: a clock that stands ends it, too.
      turnsLeft = maxMicros;
      if (looking) return;
      looking = true;
      lookedMicros = nowMicros;
      nextTurn(look);
    },
    get spentMicros() {
      return spentMicros;
    },
  };
}
