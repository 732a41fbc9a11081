/** What came for a paused reader. */

import { Buffer } from "node:buffer";
import { NO_BUFFER } from "../../common/bytes.ts";

export class HeldBytes {
  readonly #maxBytes: number;
  /** The bytes, and behind them room for more. */
  #memory: Buffer = NO_BUFFER;
  #length = 0;

  /** `maxBytes`: the peer's window, beyond which nothing comes. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** The memory that they take. */
  get memoryBytes(): number {
    return this.#memory.length;
  }

  /** Copies the bytes. The memory doubles, up to `maxBytes`. */
  add(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#memory.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, Math.min(2 * length, this.#maxBytes)));
      this.#memory.copy(grown, 0, 0, this.#length);
      this.#memory = grown;
    }
    bytes.copy(this.#memory, this.#length);
    this.#length = length;
  }

  /** All that is held, which is then the caller's. */
  takeAll(): Buffer {
    const bytes = this.#memory.subarray(0, this.#length);
    this.#memory = NO_BUFFER;
    this.#length = 0;
    return bytes;
  }
}
