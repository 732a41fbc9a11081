/** The sizes of the messages of one call as their bytes arrive, before grpc-js decodes them. */
import { PREFIX_BYTES } from "../../codec/framing/grpc-frame.ts";

export class ArrivingMessages {
  /** What has come of the prefix of the next message, as a number, and how many bytes of it. */
  #prefix = 0;
  #prefixBytes = 0;
  /** What is missing of the current message; -1 while its prefix is read. */
  #missingBytes = -1;
  #currentBytes = 0;
  /** Whole messages that were not taken, the oldest first. Few: grpc-js pauses the stream at each message. */
  readonly #whole: number[] = [];
  #heldBytes = 0;
  #announcedBytes = 0;

  /** The bytes of all messages that were not taken, the incomplete one included. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What the current message takes with its prefix, or the last one; 0 before the prefix of the first. */
  get announcedBytes(): number {
    return this.#announcedBytes;
  }

  /** A message has begun and is not complete. */
  get incomplete(): boolean {
    return this.#currentBytes > 0;
  }

  push(chunk: Uint8Array): void {
    this.#heldBytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (this.#missingBytes < 0) {
        this.#readPrefixByte(chunk[at] ?? 0);
        at += 1;
      } else {
        const taken = Math.min(this.#missingBytes, chunk.length - at);
        this.#missingBytes -= taken;
        this.#currentBytes += taken;
        at += taken;
      }
      if (this.#missingBytes === 0) this.#complete();
    }
  }

  /** The oldest whole message is its handler's now. */
  take(): void {
    this.#heldBytes -= this.#whole.shift() ?? 0;
  }

  /** The first byte has the flags. */
  #readPrefixByte(byte: number): void {
    if (this.#prefixBytes > 0) this.#prefix = this.#prefix * 256 + byte;
    this.#prefixBytes += 1;
    this.#currentBytes += 1;
    if (this.#prefixBytes < PREFIX_BYTES) return;
    this.#missingBytes = this.#prefix;
    this.#announcedBytes = PREFIX_BYTES + this.#prefix;
    this.#prefix = 0;
    this.#prefixBytes = 0;
  }

  #complete(): void {
    this.#whole.push(this.#currentBytes);
    this.#currentBytes = 0;
    this.#missingBytes = -1;
  }
}
