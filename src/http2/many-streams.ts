/**
 * The server's side of a connection of HTTP/2 (RFC 9113) with many streams. node:http2 would do the same, but a call over
 * it costs three times as much, its streams leave objects outside of the heap that full collections free one by one, and it begins
 * all calls that a read of two megabytes brings. Here reading can be suspended behind each frame.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { ControlFrames } from "./control-frames.ts";
import { connectionFault, errorCode, type Fault, flag, frameType } from "./frame.ts";
import { FrameDispatch, type PeerHandlers } from "./frame-dispatch.ts";
import { type FrameHead, FrameParser } from "./frame-parser.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { HeaderBlock } from "./header-block.ts";
import { INITIAL_TABLE_BYTES } from "./header-decoder.ts";
import type { HeaderLimits } from "./hpack.ts";
import { OpenStreams } from "./open-streams.ts";
import type { PeerStream } from "./peer-stream.ts";
import { RequestData } from "./request-data.ts";
import { type RequestHandlers, RequestHeaders } from "./request-headers.ts";

const NO_SETTINGS = connectionFault("a first frame that is no settings", errorCode.protocolError);

/** Blocks above the limit of headers are read up to this size, and reset their stream alone: the peer may not know the limit yet. */
const BLOCK_MAX_BYTES = 64 * 1024;

export interface ManyStreamsLimits {
  /** What the peer may send before it was read, on the connection and on each stream. 65,535 or more. */
  readonly windowBytes: number;
  readonly headers: HeaderLimits;
  /** How many streams there may be. */
  readonly streamsMax: number;
}

/** Told of what the peer does. */
export interface ManyStreamsHandlers extends PeerHandlers, RequestHandlers {
  /** Its first settings have come. */
  greeted(): void;
  /** A stream is over. */
  closed(): void;
  /** It has acknowledged settings. */
  settled(): void;
  /** The peer breaks the protocol, and the connection has to end. */
  fault(fault: Fault): void;
}

export class ManyStreamsConnection {
  readonly #handlers: ManyStreamsHandlers;
  readonly #parser: FrameParser;
  readonly #control: ControlFrames;
  readonly #frames: FrameDispatch;
  readonly #headers: RequestHeaders;
  readonly #data: RequestData;
  readonly streams: OpenStreams;
  #isGreeted = false;

  /** `boundary` contains all that listens to `socket`. */
  constructor(
    socket: Socket,
    writer: FrameWriter,
    boundary: Boundary,
    limits: ManyStreamsLimits,
    handlers: ManyStreamsHandlers,
  ) {
    boundary.contain(socket);
    this.#handlers = handlers;
    this.streams = new OpenStreams(writer, limits.streamsMax, () => handlers.closed());
    this.#data = new RequestData(writer, this.streams, limits.windowBytes, {
      fault: (streamId, fault) => this.#fault(streamId, fault),
      admitsEmpty: () => this.#frames.admit("empty_data"),
    });
    this.#headers = new RequestHeaders(this.streams, this.#data, limits.windowBytes, handlers, {
      fault: (streamId, fault) => this.#fault(streamId, fault),
      refuse: (streamId, code) => this.#refuse(streamId, code),
    });
    this.#control = new ControlFrames(
      (bytes, taken) => writer.frames(bytes, taken),
      boundary,
      this.streams.sender,
    );
    this.#frames = this.#createDispatch(limits.headers);
    this.#parser = new FrameParser({
      dataBegins: (head) => this.#data.begins(head, this.#dataFault(head)),
      data: (bytes, from, to) => this.#data.data(bytes, from, to),
      dataEnds: (head, contentBytes) => this.#data.ends(head, contentBytes),
      frame: (head, body) => this.#frame(head, body),
      fault: (fault) => handlers.fault(fault),
    });
    socket.on("drain", () => this.streams.sender.flush());
  }

  #createDispatch(limits: HeaderLimits): FrameDispatch {
    const blockMaxBytes = Math.max(limits.maxBytes, BLOCK_MAX_BYTES);
    const headerBlock = new HeaderBlock(limits, INITIAL_TABLE_BYTES, blockMaxBytes);
    const { sender } = this.streams;
    return new FrameDispatch(headerBlock, this.#control, sender.budget, this.#handlers, {
      headersFault: (streamId) => this.#headers.beginFault(streamId),
      headers: (streamId, fields, isLast) => this.#headers.take(streamId, fields, isLast),
      headersFailed: (streamId, fault) => this.#headers.failed(streamId, fault),
      reset: (streamId, code) => this.#takeReset(streamId, code),
      settings: () => this.#greet(),
      settled: () => this.#handlers.settled(),
      roomGrew: () => sender.flush(),
      fault: (streamId, fault) => this.#fault(streamId, fault),
    });
  }

  /** Reads the bytes of `chunk`. Returns how far it came, which is less after `suspend()`. */
  read(chunk: Buffer): number {
    return this.#parser.read(chunk, chunk.length);
  }

  /** Stops behind the frame that is being read. */
  suspend(): void {
    this.#parser.suspend();
  }

  /** Reads nothing more. The streams are to be closed. */
  stop(): void {
    this.#parser.stop();
  }

  get stopped(): boolean {
    return this.#parser.stopped;
  }

  /** While it is held the peer gets no room on the stream, and so has to stop. */
  hold(stream: PeerStream, held: boolean): void {
    this.#data.hold(stream, held);
  }

  /** This side has sent settings once more. */
  settingsSent(): void {
    this.#control.settingsSent();
  }

  #dataFault(head: FrameHead): Fault | undefined {
    return this.#isGreeted ? this.#frames.faultOf(head, this.streams.stageOf(head.streamId)) : NO_SETTINGS;
  }

  #frame(head: FrameHead, body: Buffer): void {
    if (this.#isGreeted || isSettings(head))
      this.#frames.take(head, this.streams.stageOf(head.streamId), body);
    else this.#handlers.fault(NO_SETTINGS);
  }

  #greet(): void {
    if (this.#isGreeted) return;
    this.#isGreeted = true;
    this.#handlers.greeted();
  }

  #takeReset(streamId: number, code: number): void {
    if (!this.#frames.admit("reset")) return;
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.streams.close(stream, code);
  }

  #refuse(streamId: number, code: number): void {
    if (!this.stopped && this.#frames.admit("reset")) this.streams.sendReset(streamId, code);
  }

  /** A peer may make this side reset streams as often as it may reset them itself. */
  #fault(streamId: number, fault: Fault): void {
    if (fault.scope === "connection") {
      this.#handlers.fault(fault);
      return;
    }
    if (streamId > this.streams.lastId) {
      this.#handlers.fault(connectionFault(fault.what, fault.code));
      return;
    }
    if (!this.#frames.admit("reset")) return;
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.streams.sendReset(streamId, fault.code);
    else this.streams.reset(stream, fault.code);
  }
}

function isSettings({ type, flags }: FrameHead): boolean {
  return type === frameType.settings && (flags & flag.ack) === 0;
}
