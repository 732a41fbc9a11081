/** Cuts what comes on a connection into frames. Bytes of DATA are passed on as they come, other frames whole. */
import { Buffer } from "node:buffer";
import { FRAME_HEAD_BYTES, FRAME_MAX_BYTES, flag, frameType } from "./frame.ts";

export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly bodyBytes: number;
}

/** All bytes are the reader's again when the call returns. */
export interface FrameHandlers {
  /** A DATA frame begins, of so many bytes with its padding. */
  dataBegins(head: FrameHead): void;
  data(bytes: Buffer): void;
  dataEnds(head: FrameHead): void;
  /** Any other frame. */
  frame(head: FrameHead, body: Buffer): void;
  /** The peer speaks another protocol, or breaks this one: there is no reading on. */
  fault(what: string): void;
}

const NO_BYTES = Buffer.alloc(0);

export class FrameReader {
  readonly #handlers: FrameHandlers;
  /** What has come of a head that came in pieces. */
  readonly #headBytes = Buffer.alloc(FRAME_HEAD_BYTES);
  #headLength = 0;
  /** Of the frame that is being read. */
  #head: FrameHead | undefined;
  /** Of its body, what is still to come. */
  #left = 0;
  /** What has come of a body that is passed on whole. */
  #body: Buffer = NO_BYTES;
  #stopped = false;

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  /** Nothing is passed on any more. */
  stop(): void {
    this.#stopped = true;
  }

  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      const head = this.#head;
      if (head === undefined) at = this.#readHead(chunk, at);
      else at = isPlainData(head) ? this.#passOn(head, chunk, at) : this.#gather(head, chunk, at);
    }
  }

  #readHead(chunk: Buffer, at: number): number {
    if (this.#headLength === 0 && chunk.length - at >= FRAME_HEAD_BYTES) {
      this.#begin(chunk, at);
      return at + FRAME_HEAD_BYTES;
    }
    const end = Math.min(chunk.length, at + FRAME_HEAD_BYTES - this.#headLength);
    chunk.copy(this.#headBytes, this.#headLength, at, end);
    this.#headLength += end - at;
    if (this.#headLength === FRAME_HEAD_BYTES) {
      this.#headLength = 0;
      this.#begin(this.#headBytes, 0);
    }
    return end;
  }

  #begin(bytes: Buffer, at: number): void {
    const head: FrameHead = {
      bodyBytes: bytes.readUIntBE(at, 3),
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      streamId: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
    };
    if (head.bodyBytes > FRAME_MAX_BYTES) {
      this.#handlers.fault("a frame that is longer than it may be");
      return;
    }
    this.#head = head;
    this.#left = head.bodyBytes;
    if (head.type === frameType.data) this.#handlers.dataBegins(head);
    if (this.#left === 0 && !this.#stopped) this.#end(head, NO_BYTES);
  }

  #passOn(head: FrameHead, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    this.#handlers.data(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (this.#left === 0 && !this.#stopped) this.#end(head, NO_BYTES);
    return end;
  }

  #gather(head: FrameHead, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    const piece = chunk.subarray(at, end);
    this.#left -= end - at;
    if (this.#left === 0) {
      const body = this.#body.length === 0 ? piece : Buffer.concat([this.#body, piece]);
      this.#body = NO_BYTES;
      this.#end(head, body);
    } else this.#body = Buffer.concat([this.#body, piece]);
    return end;
  }

  #end(head: FrameHead, body: Buffer): void {
    this.#head = undefined;
    if (head.type !== frameType.data) {
      this.#handlers.frame(head, body);
      return;
    }
    if ((head.flags & flag.padded) !== 0) {
      const content = withoutPadding(body);
      if (content === undefined) {
        this.#handlers.fault("a frame that is all padding");
        return;
      }
      this.#handlers.data(content);
    }
    if (!this.#stopped) this.#handlers.dataEnds(head);
  }
}

/** Undefined: there is more padding than body. */
export function withoutPadding(body: Buffer): Buffer | undefined {
  const paddingBytes = body[0];
  if (paddingBytes === undefined || paddingBytes >= body.length) return undefined;
  return body.subarray(1, body.length - paddingBytes);
}

function isPlainData({ type, flags }: FrameHead): boolean {
  return type === frameType.data && (flags & flag.padded) === 0;
}
