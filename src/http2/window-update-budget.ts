/** How many window updates what a peer was sent gives reason for. */

/** Window updates that a peer may send for a frame: for the connection and the stream, each in two pieces. */
const UPDATES_PER_FRAME = 4;
/** Window updates that a peer may send before it was sent anything. */
const FIRST_UPDATES = 100;
const EXPECTED_UPDATES_MAX = 1_000;
/** A smaller part of a message gives no reason for window updates: they may be what made it so small. */
const SUBSTANTIAL_BYTES = 1_024;

export class WindowUpdateBudget {
  #expected = FIRST_UPDATES;

  /** A frame of so many bytes was sent. `isLast`: it is the last of its message. */
  sent(bytes: number, isLast: boolean): void {
    if (!isLast && bytes < SUBSTANTIAL_BYTES) return;
    this.#expected = Math.min(this.#expected + UPDATES_PER_FRAME, EXPECTED_UPDATES_MAX);
  }

  /** False: there is none left. */
  take(): boolean {
    if (this.#expected === 0) return false;
    this.#expected -= 1;
    return true;
  }
}
