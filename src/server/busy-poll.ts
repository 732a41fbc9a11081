/**
 * Looks at the sockets again and again for a while instead of sleeping until one has something. Waking a thread takes
 * some microseconds on a machine of one's own; on a shared one its processor is given to others when it halts, and comes
 * back up to milliseconds later, while a client with all its calls in two batches waits. Linux does the same for one
 * socket (SO_BUSY_POLL), Seastar for its reactor (`--idle-poll-time-us`).
 *
 * Only batches begin it that show a client under load, and what it looks for in vain takes a tenth of the time at most:
 * a server with little to do sleeps.
 */
import type { Clock } from "../clock.ts";
import { Pace } from "../pace.ts";

export interface BusyPoll {
  /** A batch of so many operations was taken: the next may follow soon. */
  tookBatch(operations: number): void;
  /** What looking has taken so far, in vain or not, with the work on smaller messages in between. */
  readonly spentMicros: number;
}

export interface BusyPollOptions {
  /** How long the next batch is looked for. 0: not at all. */
  readonly maxMs: number;
  readonly clock: Clock;
  /** Runs `look` in the next turn of the event loop, which does not sleep before it. Default: `setImmediate`. */
  readonly nextTurn?: (look: () => void) => void;
}

/** As a client under full load sends. At half load, with fewer, looking gained nothing, and the slowest reads were slower. */
const BATCH_MIN_OPERATIONS = 24;
const VAIN_SHARE = 0.1;
const VAIN_BURST = 10;

export function createBusyPoll({ maxMs, clock, nextTurn = setImmediate }: BusyPollOptions): BusyPoll {
  const maxMicros = maxMs * 1_000;
  const vain = new Pace({ gapMicros: maxMicros / VAIN_SHARE, burst: VAIN_BURST });
  let looking = false;
  let sinceMicros = 0;
  let lookedMicros = 0;
  let turnsLeft = 0;
  let spentMicros = 0;

  const look = (): void => {
    lookedMicros = clock.nowMicros();
    turnsLeft -= 1;
    if (lookedMicros - sinceMicros < maxMicros && turnsLeft > 0) {
      nextTurn(look);
      return;
    }
    looking = false;
    spentMicros += lookedMicros - sinceMicros;
    vain.count(lookedMicros);
  };

  return {
    tookBatch(operations) {
      if (operations < BATCH_MIN_OPERATIONS || maxMicros === 0) return;
      const nowMicros = clock.nowMicros();
      // Since the last look it was at work.
      if (looking) spentMicros += Math.max(0, lookedMicros - sinceMicros);
      else if (!vain.allows(nowMicros)) return;
      sinceMicros = nowMicros;
      // A turn takes a microsecond or more: a clock that stands ends it, too.
      turnsLeft = maxMicros;
      if (looking) return;
      looking = true;
      nextTurn(look);
    },
    get spentMicros() {
      return spentMicros;
    },
  };
}
