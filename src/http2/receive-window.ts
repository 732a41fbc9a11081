/** How much the peer may send, of the connection and of its stream: both windows are the same. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { STREAM_ID, windowUpdate } from "./frame.ts";

export class ReceiveWindow {
  readonly #socket: Socket;
  readonly #windowBytes: number;
  /** What the peer may still send. */
  #roomBytes: number;
  /** Received, and not yet given back to the peer. */
  #receivedBytes = 0;
  #holding = false;

  constructor(socket: Socket, windowBytes: number) {
    this.#socket = socket;
    this.#windowBytes = windowBytes;
    this.#roomBytes = windowBytes;
  }

  /** The peer has sent so many bytes. False: more than it had room for. */
  take(bytes: number): boolean {
    this.#roomBytes -= bytes;
    this.#receivedBytes += bytes;
    return this.#roomBytes >= 0;
  }

  /** While it is held the peer gets no room for what it sends, and so has to stop. */
  hold(held: boolean): void {
    this.#holding = held;
    if (!held) this.giveBack();
  }

  /** Gives the room of half a window or more back to the peer. */
  giveBack(): void {
    if (this.#holding || this.#receivedBytes < this.#windowBytes / 2) return;
    this.#socket.write(
      Buffer.concat([windowUpdate(0, this.#receivedBytes), windowUpdate(STREAM_ID, this.#receivedBytes)]),
    );
    this.#roomBytes += this.#receivedBytes;
    this.#receivedBytes = 0;
  }
}
