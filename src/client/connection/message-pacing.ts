/**
 * Decides when waiting calls become a message. As with Nagle's rule (RFC 896) messages grow with the load, there is no
 * timer, and a lone call waits for nothing.
 */
import type { Clock } from "../../common/clock.ts";
import { Gcra } from "../../common/gcra.ts";
import type { Call } from "./pending-call.ts";
import type { CallQueue } from "./send-window.ts";

/** With so many batches unanswered, calls wait until one is answered or until they fill a message. */
const BUSY_BATCHES = 4;

/**
 * The rate of messages with few calls in them, while other batches are unanswered. A message costs each side tens of
 * microseconds and a read in it two or three: when calls come faster than this rate, sending them together saves both
 * sides a fifth of their time. A lone call is sent whatever the rate, and counts.
 */
const SMALL_MESSAGES = { intervalMicros: 200, burst: 4 };

export class MessagePacing {
  readonly #queue: CallQueue;
  readonly #clock: Clock;
  readonly #pace = new Gcra(SMALL_MESSAGES);

  constructor(queue: CallQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  /**
   * The next calls to send as one message while so many batches are unanswered. Undefined: none are to be sent now.
   * `mayWait`: the server takes one more call that waits for a lease.
   */
  take(unansweredBatches: number, mayWait: boolean): Call[] | undefined {
    if (unansweredBatches >= BUSY_BATCHES) return this.#queue.take("busy", mayWait);
    const server = unansweredBatches > 0 ? "working" : "idle";
    if (!this.#queue.waitingFew) return this.#queue.take(server, mayWait);
    const nowMicros = this.#clock.nowMicros();
    if (unansweredBatches > 0 && !this.#pace.allows(nowMicros)) return this.#queue.take("busy", mayWait);
    const calls = this.#queue.take(server, mayWait);
    if (calls?.[0]?.plan.alone === false) this.#pace.count(nowMicros);
    return calls;
  }
}
