/** The open streams of a connection with many: what is sent on them, how they end, and what is known of those that are over. */
import { Buffer } from "node:buffer";
import { errorCode, flag, frameType } from "./frame.ts";
import type { StreamStage } from "./frame-rules.ts";
import type { FrameWriter, Taken } from "./frame-writer.ts";
import type { PeerStream } from "./peer-stream.ts";
import { RecentIds } from "./recent-ids.ts";
import { StreamTable } from "./stream-table.ts";
import { StreamsSender } from "./streams-sender.ts";

/** Of the streams that there may be, how many are known when they are over. */
const KNOWN_PART = 2;

export class OpenStreams {
  readonly #writer: FrameWriter;
  readonly #streams = new StreamTable<PeerStream>();
  /** Streams that this side has reset: what was on its way then is no fault. */
  readonly #reset: RecentIds;
  readonly #closed: RecentIds;
  readonly #closedOne: () => void;
  readonly sender: StreamsSender;
  /** The highest stream that the peer has opened. */
  lastId = 0;

  /** `streamsMax`: how many there may be. `closedOne`: told when one is over. */
  constructor(writer: FrameWriter, streamsMax: number, closedOne: () => void) {
    this.#writer = writer;
    this.#reset = new RecentIds(KNOWN_PART * streamsMax);
    this.#closed = new RecentIds(KNOWN_PART * streamsMax);
    this.#closedOne = closedOne;
    this.sender = new StreamsSender(
      writer,
      (id) => this.#streams.get(id),
      (visit) => this.#streams.visit(visit),
    );
  }

  get size(): number {
    return this.#streams.size;
  }

  get(id: number): PeerStream | undefined {
    return this.#streams.get(id);
  }

  add(stream: PeerStream): void {
    this.#streams.set(stream.state.id, stream);
  }

  /** A client opens odd streams, in their order. */
  stageOf(id: number): StreamStage {
    if (id > this.lastId) return "new";
    return id % 2 === 1 ? "begun" : "idle";
  }

  /** What comes on it is ignored. */
  wasReset(id: number): boolean {
    return this.#reset.has(id);
  }

  wasOpen(id: number): boolean {
    return this.#closed.has(id);
  }

  sendHeaders(stream: PeerStream, block: Buffer, endStream: boolean): void {
    const { state } = stream;
    this.#writer.headers(state.id, block, endStream ? flag.endStream : 0);
    if (!endStream) return;
    state.isAnswered = true;
    if (state.hasEnded) this.close(stream, errorCode.noError);
  }

  reset(stream: PeerStream, code: number): void {
    if (stream.state.isOver) return;
    this.sendReset(stream.state.id, code);
    this.close(stream, code);
  }

  /** Of a stream that is not open. */
  sendReset(id: number, code: number): void {
    this.#reset.add(id);
    const body = Buffer.allocUnsafe(4);
    body.writeUInt32BE(code);
    this.#writer.frame(frameType.resetStream, 0, id, body);
  }

  /** Without telling the peer. */
  close(stream: PeerStream, code: number): void {
    const { state } = stream;
    if (state.isOver) return;
    state.isOver = true;
    this.#streams.delete(state.id);
    this.#closed.add(state.id);
    this.sender.drop(stream);
    stream.over(code);
    this.#closedOne();
  }

  all(): PeerStream[] {
    const streams: PeerStream[] = [];
    this.#streams.visit((stream) => streams.push(stream));
    return streams;
  }

  /** Nobody may write to the bytes until they are taken by the socket. */
  sendData(stream: PeerStream, bytes: Buffer, taken: Taken): void {
    this.sender.send(stream, bytes, taken);
  }
}
