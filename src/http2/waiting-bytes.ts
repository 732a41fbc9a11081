/** Bytes of a stream that leave in parts, and whom they belong to. */
import type { Buffer } from "node:buffer";
import type { Taken } from "./frame-writer.ts";

export class WaitingBytes {
  readonly bytes: Buffer;
  /** What was given to the socket. */
  sentBytes = 0;
  readonly #taken: Taken;
  /** Parts that the socket reads in place, and has not written. */
  #inPlace = 0;
  #isDropped = false;

  /** `taken`: called once, when nobody reads the bytes any more; with an error, if not all of them were sent. */
  constructor(bytes: Buffer, taken: Taken) {
    this.bytes = bytes;
    this.#taken = taken;
  }

  get isSent(): boolean {
    return this.sentBytes === this.bytes.length;
  }

  /** The next part is given to the socket, in place or as a copy. Returns what is to be called when it was written. */
  send(partBytes: number, isCopied: boolean): Taken | undefined {
    this.sentBytes += partBytes;
    // Those before it are written before it.
    if (this.isSent) return this.#taken;
    if (isCopied) return undefined;
    this.#inPlace += 1;
    return this.#written;
  }

  /** The rest is not sent. */
  drop(): void {
    this.#isDropped = true;
    if (this.#inPlace === 0) this.#taken(streamOver());
  }

  readonly #written = (): void => {
    this.#inPlace -= 1;
    if (this.#inPlace === 0 && this.#isDropped) this.#taken(streamOver());
  };
}

function streamOver(): Error {
  return new Error("the stream is over");
}
