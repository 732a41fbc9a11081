/**
 * How often small messages may be sent while others are unanswered: a virtual schedule (GCRA, ITU-T I.371), which
 * a message may be ahead of by a few.
 *
 * A message costs each side some tens of microseconds, and a read in it two or three. Where calls come faster than
 * this, a wait shorter than the gap spares both sides a fifth of their time, and with it the queue that forms when
 * either of them stops for a moment.
 */

const GAP_MICROS = 200;
/** So many may follow one another at once: what comes in ones and twos waits for nothing. */
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
    this.#dueMicros = Math.max(this.#dueMicros, nowMicros) + GAP_MICROS;
  }
}
