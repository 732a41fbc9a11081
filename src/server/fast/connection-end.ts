/** What the connections of the own HTTP/2 have in common when they end. */

/** How long a peer that broke the protocol has to read why. */
export const FAULT_GRACE_MS = 100;

const BESIDE_WINDOW_BYTES = 64 * 1024;

/** Counts what a peer still sends behind the end of its connection, which nobody reads. */
export class DiscardedBytes {
  #leftBytes: number;

  /** `windowBytes`: what the peer may have sent before it learned of the end, and some frames beside it. */
  constructor(windowBytes: number) {
    this.#leftBytes = windowBytes + BESIDE_WINDOW_BYTES;
  }

  /** False: it is more than was on its way. */
  add(bytes: number): boolean {
    this.#leftBytes -= bytes;
    return this.#leftBytes >= 0;
  }
}
