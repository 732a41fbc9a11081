/** Cuts the bytes of a connection into frames. It passes on bytes of DATA as they come, and other frames whole. */
import { Buffer } from "node:buffer";
import { NO_BUFFER } from "../common/bytes.ts";
import {
  connectionFault,
  errorCode,
  type Fault,
  FRAME_HEAD_BYTES,
  FRAME_MAX_BYTES,
  flag,
  frameType,
} from "./frame.ts";

/** The head of the frame that is passed on. The next frame is read into the same object. */
export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly bodyBytes: number;
}

/** Told of what comes. All bytes are the parser's again when the call returns. */
export interface FrameHandlers {
  /** A DATA frame begins, of so many bytes with its padding. */
  dataBegins(head: FrameHead): void;
  /** A range of what was read, and not a view of it: a view costs as much as all else that is done with a small frame. */
  data(bytes: Buffer, from: number, to: number): void;
  /** `contentBytes`: without its padding. */
  dataEnds(head: FrameHead, contentBytes: number): void;
  /** Any other frame. */
  frame(head: FrameHead, body: Buffer): void;
  /** The peer speaks another protocol, or breaks this one: nothing more can be read. */
  fault(fault: Fault): void;
}

const TOO_LONG = connectionFault("a frame that is longer than it may be", errorCode.frameSizeError);
const ALL_PADDING = connectionFault("a frame that is all padding", errorCode.protocolError);

export class FrameParser {
  readonly #handlers: FrameHandlers;
  readonly #head = { type: 0, flags: 0, streamId: 0, bodyBytes: 0 };
  /** A frame has begun and not ended. */
  #inFrame = false;
  /** Body bytes still missing. */
  #left = 0;
  /** The part of a body received so far, for a body that is passed on whole. */
  #body: Buffer = NO_BUFFER;
  /** The part of a head received so far. */
  readonly #headBytes = Buffer.alloc(FRAME_HEAD_BYTES);
  #headLength = 0;
  #stopped = false;
  #suspended = false;

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  /** Nothing is passed on any more. */
  stop(): void {
    this.#stopped = true;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** `read` returns when what it passes on now is done with. */
  suspend(): void {
    this.#suspended = true;
  }

  /** Reads the bytes of `chunk` before `to`. Returns how far it came, which is less after `suspend()`. */
  read(chunk: Buffer, to: number): number {
    let at = 0;
    this.#suspended = false;
    while (at < to && !(this.#stopped || this.#suspended)) {
      if (!this.#inFrame) at = this.#readHead(chunk, at, to);
      else at = isPlainData(this.#head) ? this.#passOn(chunk, at, to) : this.#gather(chunk, at, to);
    }
    return at;
  }

  #readHead(chunk: Buffer, at: number, to: number): number {
    if (this.#headLength === 0 && to - at >= FRAME_HEAD_BYTES) {
      this.#begin(chunk, at);
      return at + FRAME_HEAD_BYTES;
    }
    const end = Math.min(to, at + FRAME_HEAD_BYTES - this.#headLength);
    chunk.copy(this.#headBytes, this.#headLength, at, end);
    this.#headLength += end - at;
    if (this.#headLength === FRAME_HEAD_BYTES) {
      this.#headLength = 0;
      this.#begin(this.#headBytes, 0);
    }
    return end;
  }

  #begin(bytes: Buffer, at: number): void {
    const head = this.#head;
    head.bodyBytes = bytes.readUIntBE(at, 3);
    head.type = bytes[at + 3] ?? 0;
    head.flags = bytes[at + 4] ?? 0;
    head.streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    if (head.bodyBytes > FRAME_MAX_BYTES) {
      this.#handlers.fault(TOO_LONG);
      return;
    }
    this.#inFrame = true;
    this.#left = head.bodyBytes;
    if (head.type === frameType.data) this.#handlers.dataBegins(head);
    if (this.#left === 0 && !this.#stopped) this.#end(NO_BUFFER);
  }

  #passOn(chunk: Buffer, at: number, to: number): number {
    const end = Math.min(to, at + this.#left);
    this.#left -= end - at;
    this.#handlers.data(chunk, at, end);
    if (this.#left === 0 && !this.#stopped) this.#end(NO_BUFFER);
    return end;
  }

  #gather(chunk: Buffer, at: number, to: number): number {
    const end = Math.min(to, at + this.#left);
    const piece = chunk.subarray(at, end);
    this.#left -= end - at;
    if (this.#left === 0) {
      const body = this.#body.length === 0 ? piece : Buffer.concat([this.#body, piece]);
      this.#body = NO_BUFFER;
      this.#end(body);
    } else this.#body = Buffer.concat([this.#body, piece]);
    return end;
  }

  #end(body: Buffer): void {
    const head = this.#head;
    this.#inFrame = false;
    if (head.type !== frameType.data) {
      this.#handlers.frame(head, body);
      return;
    }
    let contentBytes = head.bodyBytes;
    if ((head.flags & flag.padded) !== 0) {
      const content = withoutPadding(body);
      if (content === undefined) {
        this.#handlers.fault(ALL_PADDING);
        return;
      }
      contentBytes = content.length;
      this.#handlers.data(content, 0, content.length);
    }
    if (!this.#stopped) this.#handlers.dataEnds(head, contentBytes);
  }
}

/** Undefined when there is more padding than body. */
export function withoutPadding(body: Buffer): Buffer | undefined {
  const paddingBytes = body[0];
  if (paddingBytes === undefined || paddingBytes >= body.length) return undefined;
  return body.subarray(1, body.length - paddingBytes);
}

function isPlainData({ type, flags }: FrameHead): boolean {
  return type === frameType.data && (flags & flag.padded) === 0;
}
