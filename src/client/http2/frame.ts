/** Frames of HTTP/2 (RFC 9113): how they look, and the few that a client of one stream sends. */
import { Buffer } from "node:buffer";

export const FRAME_HEAD_BYTES = 9;
/** What a peer may send in one frame unless it is told of more, and so what it is sent. */
export const FRAME_MAX_BYTES = 16_384;
/** Of a connection and of a stream at their beginning. */
export const DEFAULT_WINDOW_BYTES = 65_535;
export const WINDOW_MAX_BYTES = 2 ** 31 - 1;

export const frameType = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const setting = { headerTableSize: 1, enablePush: 2, initialWindowSize: 4, maxFrameSize: 5 } as const;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const SETTING_BYTES = 6;

export function writeFrameHead(
  into: Buffer,
  at: number,
  type: number,
  flags: number,
  streamId: number,
  bodyBytes: number,
): void {
  into.writeUIntBE(bodyBytes, at, 3);
  into[at + 3] = type;
  into[at + 4] = flags;
  into.writeUInt32BE(streamId, at + 5);
}

export function frame(type: number, flags: number, streamId: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + body.length);
  writeFrameHead(bytes, 0, type, flags, streamId, body.length);
  bytes.set(body, FRAME_HEAD_BYTES);
  return bytes;
}

export function windowUpdate(streamId: number, bytes: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(bytes);
  return frame(frameType.windowUpdate, 0, streamId, body);
}

/** All that a client says before it knows of its server: its settings, its window, and the headers of its stream. */
export function greeting(streamId: number, headerBlock: Buffer, windowBytes: number): Buffer {
  const settings = Buffer.alloc(3 * SETTING_BYTES);
  [
    [setting.headerTableSize, 0] as const,
    [setting.enablePush, 0] as const,
    [setting.initialWindowSize, windowBytes] as const,
  ].forEach(([name, value], index) => {
    settings.writeUInt16BE(name, index * SETTING_BYTES);
    settings.writeUInt32BE(value, index * SETTING_BYTES + 2);
  });
  return Buffer.concat([
    PREFACE,
    frame(frameType.settings, 0, 0, settings),
    windowUpdate(0, windowBytes - DEFAULT_WINDOW_BYTES),
    frame(frameType.headers, flag.endHeaders, streamId, headerBlock),
  ]);
}

/** Calls `each` with what a SETTINGS frame holds. False: it is none. */
export function readSettings(body: Buffer, each: (name: number, value: number) => void): boolean {
  if (body.length % SETTING_BYTES !== 0) return false;
  for (let at = 0; at < body.length; at += SETTING_BYTES)
    each(body.readUInt16BE(at), body.readUInt32BE(at + 2));
  return true;
}
