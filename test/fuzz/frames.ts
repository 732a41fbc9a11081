/** HTTP/2 frames as objects, so that a mutation can give a frame a wrong length. */
import { FRAME_HEAD_BYTES, writeFrameHead } from "../../src/http2/frame.ts";

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly body: Buffer;
  /** The length field. Default: the length of the payload. */
  readonly declaredBytes?: number;
}

export function toBytes({ type, flags, streamId, body, declaredBytes }: RawFrame): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + body.length);
  writeFrameHead(bytes, 0, type, flags, streamId, declaredBytes ?? body.length);
  body.copy(bytes, FRAME_HEAD_BYTES);
  return bytes;
}

/** Divides a stream of bytes into frames. */
export class FrameCutter {
  #rest = Buffer.alloc(0);

  push(chunk: Buffer): RawFrame[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const frames: RawFrame[] = [];
    for (;;) {
      const bodyBytes = this.#rest.length < FRAME_HEAD_BYTES ? Infinity : this.#rest.readUIntBE(0, 3);
      const end = FRAME_HEAD_BYTES + bodyBytes;
      if (this.#rest.length < end) return frames;
      frames.push({
        type: this.#rest.readUInt8(3),
        flags: this.#rest.readUInt8(4),
        streamId: this.#rest.readUInt32BE(5),
        body: Buffer.from(this.#rest.subarray(FRAME_HEAD_BYTES, end)),
      });
      this.#rest = this.#rest.subarray(end);
    }
  }
}
