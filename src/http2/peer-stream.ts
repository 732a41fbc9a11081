/** A stream of a connection with many, which its peer has opened: what the connection keeps of it, and what it tells it. */
import type { Buffer } from "node:buffer";
import type { Fifo } from "../common/fifo.ts";
import type { WaitingBytes } from "./waiting-bytes.ts";

/** What the connection keeps of a stream. It alone writes to it. */
export class StreamState {
  readonly id: number;
  /** What the peer takes beside its initial window, which changes for all streams at once. */
  sendWindowBytes = 0;
  /** What waits to be sent. Undefined: nothing has waited yet. */
  waiting: Fifo<WaitingBytes> | undefined;
  /** In the line of those that send. */
  older: StreamState | undefined;
  newer: StreamState | undefined;
  /** What the peer may still send. */
  roomBytes: number;
  /** Received, and not yet given back to the peer. */
  receivedBytes = 0;
  /** While it is held the peer gets no room for what it sends. */
  isHeld = false;
  /** Bytes of the content that are still to come. NaN: the peer has not said how many. */
  contentLeftBytes: number;
  /** The peer sends no more. */
  hasEnded = false;
  /** This side sends no more. */
  isAnswered = false;
  /** It is over, and its connection does not know it any more. */
  isOver = false;

  constructor(id: number, roomBytes: number, contentBytes: number) {
    this.id = id;
    this.roomBytes = roomBytes;
    this.contentLeftBytes = contentBytes;
  }
}

export interface PeerStream {
  readonly state: StreamState;
  /** Bytes of the request, which are the connection's again when the call returns. */
  receive(bytes: Buffer, from: number, to: number): void;
  /** The peer has ended its side. */
  requestEnded(): void;
  /** All that was to be sent was given to the socket. */
  flushed(): void;
  /** It is over. `code`: with which it was reset. Once. */
  over(code: number): void;
}
