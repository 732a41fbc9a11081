/** Frames of HTTP/2 (RFC 9113): their layout, and those that either side of a single-stream connection sends. */
import { Buffer } from "node:buffer";
import { NO_BUFFER } from "../common/bytes.ts";

export const FRAME_HEAD_BYTES = 9;
/** The largest body of a frame, for both sides: a peer that was told of no other size may send no more. */
export const FRAME_MAX_BYTES = 16_384;
/** The window of a connection, and of a stream, at its beginning. */
export const DEFAULT_WINDOW_BYTES = 65_535;
export const WINDOW_MAX_BYTES = 2 ** 31 - 1;
/** The first stream that a client may open; on a single-stream connection the only one. */
export const STREAM_ID = 1;

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  /**
   * Our own, from the range for experiments (RFC 9113, section 11.3). With the value 1 a client announces that its
   * connection carries stream 1 and no other, and that it keeps no table of headers. Other servers ignore it.
   */
  singleStream: 0xf5c1,
} as const;

export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

/** How a peer has broken the protocol (RFC 9113, section 5.4). */
export interface Fault {
  readonly what: string;
  readonly code: number;
  /** "stream": answered by RST_STREAM. "connection": answered by GOAWAY. */
  readonly scope: "stream" | "connection";
}

export function connectionFault(what: string, code: number): Fault {
  return { what, code, scope: "connection" };
}

export function streamFault(what: string, code: number): Fault {
  return { what, code, scope: "stream" };
}

/** The kinds of frames that carry nothing of the stream, or may carry nothing. */
export const FRAME_KINDS = [
  "empty_data",
  "priority",
  "settings",
  "ping",
  "ping_answer",
  "go_away",
  "window_update",
  "continuation",
  "reset",
  "unknown",
] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

/** The first bytes that a client sends. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const SETTING_BYTES = 6;
/** Settings in one frame: more than any peer needs. */
export const SETTINGS_MAX = 32;
export const SETTINGS_MAX_BYTES = SETTINGS_MAX * SETTING_BYTES;
export const PING_BYTES = 8;
/** The bytes of a priority, in a frame of its own or in HEADERS. */
export const PRIORITY_BYTES = 5;

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

export function resetStream(streamId: number, code: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(code);
  return frame(frameType.resetStream, 0, streamId, body);
}

export function goAway(lastStreamId: number, code: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32BE(lastStreamId);
  body.writeUInt32BE(code, 4);
  return frame(frameType.goAway, 0, 0, body);
}

/** `flags`: those of the first frame, beside END_HEADERS. */
export function headerFrames(streamId: number, block: Buffer, flags: number): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += FRAME_MAX_BYTES) {
    const piece = block.subarray(at, at + FRAME_MAX_BYTES);
    const end = at + piece.length === block.length ? flag.endHeaders : 0;
    const type = at === 0 ? frameType.headers : frameType.continuation;
    frames.push(frame(type, (at === 0 ? flags : 0) | end, streamId, piece));
  }
  return Buffer.concat(frames);
}

export function settings(pairs: readonly (readonly [name: number, value: number])[]): Buffer {
  const body = Buffer.alloc(pairs.length * SETTING_BYTES);
  pairs.forEach(([name, value], index) => {
    body.writeUInt16BE(name, index * SETTING_BYTES);
    body.writeUInt32BE(value, index * SETTING_BYTES + 2);
  });
  return frame(frameType.settings, 0, 0, body);
}

/** Widens the window of a new connection for its peer. `windowBytes`: 65,535 or more. */
export function widenConnection(windowBytes: number): Buffer {
  const more = windowBytes - DEFAULT_WINDOW_BYTES;
  return more > 0 ? windowUpdate(0, more) : NO_BUFFER;
}

/** Calls `each` with every setting of a SETTINGS frame, whose length has to be right. */
export function readSettings(body: Buffer, each: (name: number, value: number) => void): void {
  for (let at = 0; at < body.length; at += SETTING_BYTES)
    each(body.readUInt16BE(at), body.readUInt32BE(at + 2));
}

export function isSettingsLength(bodyBytes: number): boolean {
  return bodyBytes % SETTING_BYTES === 0;
}
