/** Bytes of a stream that leave in parts, and whom they belong to. */
import type { Buffer } from "node:buffer";
import type { Taken } from "./frame-writer.ts";

export class WaitingBytes {
  readonly bytes: Buffer;
  /** What was given to the socket. */
  sentBytes = 0;
  readonly #taken: Taken;
  /** Parts that the socket was given and has not written. */
  #writing = 0;
  #isDropped = false;

  /** `taken`: called once, when nobody reads the bytes any more; with an error, if not all of them were sent. */
  constructor(bytes: Buffer, taken: Taken) {
    this.bytes = bytes;
    this.#taken = taken;
  }

  get isSent(): boolean {
    return this.sentBytes === this.bytes.length;
  }

  /** The next part is given to the socket. Returns what is to be called when it was written. */
  send(partBytes: number): Taken {
    this.sentBytes += partBytes;
    this.#writing += 1;
    return this.#written;
  }

  /** The rest is not sent. */
  drop(): void {
    this.#isDropped = true;
    if (this.#writing === 0) this.#taken(streamOver());
  }

  readonly #written: Taken = (error) => {
    this.#writing -= 1;
    if (this.#writing > 0) return;
    if (this.isSent) this.#taken(error);
    else if (this.#isDropped) this.#taken(streamOver());
  };
}

function streamOver(): Error {
  return new Error("the stream is over");
}
