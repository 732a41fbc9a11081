/** The DATA frames of a connection with many streams: the room that the peer has for them, and what they bring to their streams. */
import type { Buffer } from "node:buffer";
import { ENDED, NO_ROOM, WRONG_CONTENT_LENGTH } from "./faults.ts";
import { errorCode, type Fault, flag, streamFault, windowUpdate } from "./frame.ts";
import type { FrameHead } from "./frame-parser.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { PeerStream, StreamState } from "./peer-stream.ts";

const CLOSED = streamFault("a frame of a stream that is closed", errorCode.streamClosed);
const NO_STREAM_ROOM = streamFault("more data than its stream has room for", errorCode.flowControlError);

interface RequestDataHandlers {
  fault(streamId: number, fault: Fault): void;
  /** A frame has come that carries nothing. False: one too many. */
  admitsEmpty(): boolean;
}

export class RequestData {
  readonly #writer: FrameWriter;
  readonly #streams: OpenStreams;
  readonly #windowBytes: number;
  readonly #handlers: RequestDataHandlers;
  /** What the peer may still send on all streams. */
  #roomBytes: number;
  /** Received, and not yet given back to the peer. */
  #receivedBytes = 0;
  /** Whose frame is being read. Undefined: a stream's that is over. */
  #stream: PeerStream | undefined;

  /** `windowBytes`: what the peer may send before it was read, on the connection and on each stream. */
  constructor(writer: FrameWriter, streams: OpenStreams, windowBytes: number, handlers: RequestDataHandlers) {
    this.#writer = writer;
    this.#streams = streams;
    this.#windowBytes = windowBytes;
    this.#handlers = handlers;
    this.#roomBytes = windowBytes;
  }

  /** A frame begins, whose stream is not idle. `fault`: what is wrong with it otherwise. */
  begins({ streamId, bodyBytes }: FrameHead, fault: Fault | undefined): void {
    this.#stream = undefined;
    const first = fault ?? this.#takeRoom(bodyBytes);
    if (first !== undefined) {
      this.#handlers.fault(streamId, first);
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) this.#takeStreamRoom(stream, bodyBytes);
    else if (!this.#streams.wasReset(streamId)) this.#handlers.fault(streamId, CLOSED);
  }

  data(bytes: Buffer, from: number, to: number): void {
    const stream = this.#stream;
    if (stream === undefined || stream.state.isOver) return;
    const { state } = stream;
    state.contentLeftBytes -= to - from;
    if (state.contentLeftBytes < 0) this.#handlers.fault(state.id, WRONG_CONTENT_LENGTH);
    else stream.receive(bytes, from, to);
  }

  ends({ flags }: FrameHead, contentBytes: number): void {
    const stream = this.#stream;
    this.#stream = undefined;
    const isLast = (flags & flag.endStream) !== 0;
    if (contentBytes === 0 && !isLast && !this.#handlers.admitsEmpty()) return;
    if (stream === undefined || stream.state.isOver) return;
    if (isLast) this.endRequest(stream);
    else this.giveBack(stream.state);
  }

  /** The peer sends no more on the stream. */
  endRequest(stream: PeerStream): void {
    const { state } = stream;
    if (state.contentLeftBytes > 0) {
      this.#handlers.fault(state.id, WRONG_CONTENT_LENGTH);
      return;
    }
    state.hasEnded = true;
    if (state.isAnswered) this.#streams.close(stream, errorCode.noError);
    else stream.requestEnded();
  }

  /** While it is held the peer gets no room on the stream, and so has to stop. */
  hold({ state }: PeerStream, held: boolean): void {
    state.isHeld = held;
    if (!held) this.giveBack(state);
  }

  /** Gives the room of half a window or more back to the peer. */
  giveBack(state: StreamState): void {
    if (state.isHeld || state.isOver || state.hasEnded) return;
    if (state.receivedBytes < this.#windowBytes / 2) return;
    this.#writer.frames(windowUpdate(state.id, state.receivedBytes));
    state.roomBytes += state.receivedBytes;
    state.receivedBytes = 0;
  }

  /** The room of the connection comes back at once, so that a stream that is held does not stop the others. */
  #takeRoom(bytes: number): Fault | undefined {
    this.#roomBytes -= bytes;
    this.#receivedBytes += bytes;
    if (this.#roomBytes < 0) return NO_ROOM;
    if (this.#receivedBytes < this.#windowBytes / 2) return undefined;
    this.#writer.frames(windowUpdate(0, this.#receivedBytes));
    this.#roomBytes += this.#receivedBytes;
    this.#receivedBytes = 0;
    return undefined;
  }

  #takeStreamRoom(stream: PeerStream, bytes: number): void {
    const { state } = stream;
    if (state.hasEnded) {
      this.#handlers.fault(state.id, ENDED);
      return;
    }
    state.roomBytes -= bytes;
    state.receivedBytes += bytes;
    if (state.roomBytes < 0) this.#handlers.fault(state.id, NO_STREAM_ROOM);
    else this.#stream = stream;
  }
}
