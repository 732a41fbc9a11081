/**
 * How often small messages may be sent while others are unanswered: a virtual schedule (GCRA, ITU-T I.371), which
 * messages may be ahead of by a few, and never by more.
 *
 * A message costs each side some tens of microseconds, and a read in it two or three. Where calls come faster than
 * this, what waits for the schedule spares both sides a fifth of their time, and with it the queue that forms when
 * either of them stops for a moment. A lone call is not asked, but counts.
 */

const GAP_MICROS = 200;
/** So many may follow one another at once. */
const BURST_MESSAGES = 4;

export class MessagePace {
  /** When the next one is due, were all sent one gap apart. */
  #dueMicros = 0;

  /** The schedule has room for one more small message. */
  allows(nowMicros: number): boolean {
    return nowMicros >= this.#dueMicros - (BURST_MESSAGES - 1) * GAP_MICROS;
  }

  /** A small message is sent. */
  count(nowMicros: number): void {
    const dueMicros = Math.max(this.#dueMicros, nowMicros) + GAP_MICROS;
    // Lone ones may be faster than the schedule for ever: they are no debt.
    this.#dueMicros = Math.min(dueMicros, nowMicros + BURST_MESSAGES * GAP_MICROS);
  }
}
