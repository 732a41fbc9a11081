/** What the stream and the length of a frame have to be (RFC 9113, sections 5.1 and 6). */
import {
  connectionFault,
  errorCode,
  type Fault,
  flag,
  frameType,
  isSettingsLength,
  PING_BYTES,
  PRIORITY_BYTES,
  STREAM_ID,
  streamFault,
} from "./frame.ts";
import type { FrameHead } from "./frame-parser.ts";

const GO_AWAY_MIN_BYTES = 8;

const OF_A_STREAM = connectionFault("a frame of a stream that belongs to none", errorCode.protocolError);
const OF_NO_STREAM = connectionFault("a frame of no stream that belongs to one", errorCode.protocolError);
const OF_IDLE_STREAM = connectionFault("a frame of a stream that has not begun", errorCode.protocolError);
const WRONG_LENGTH = connectionFault("a frame of a wrong length", errorCode.frameSizeError);
const WRONG_PRIORITY = streamFault("a priority of a wrong length", errorCode.frameSizeError);
const PUSH = connectionFault("a push, which was forbidden", errorCode.protocolError);

/** `begun`: the stream is not idle. The frame is no part of a header block that continues. */
export function frameFault(head: FrameHead, begun: boolean): Fault | undefined {
  const { type, flags, streamId, bodyBytes } = head;
  switch (type) {
    case frameType.settings: {
      if (streamId !== 0) return OF_A_STREAM;
      const fits = (flags & flag.ack) === 0 ? isSettingsLength(bodyBytes) : bodyBytes === 0;
      return fits ? undefined : WRONG_LENGTH;
    }
    case frameType.ping:
      if (streamId !== 0) return OF_A_STREAM;
      return bodyBytes === PING_BYTES ? undefined : WRONG_LENGTH;
    case frameType.goAway:
      if (streamId !== 0) return OF_A_STREAM;
      return bodyBytes >= GO_AWAY_MIN_BYTES ? undefined : WRONG_LENGTH;
    case frameType.windowUpdate:
      if (bodyBytes !== 4) return WRONG_LENGTH;
      return streamId === 0 ? undefined : streamIdFault(streamId, begun);
    case frameType.resetStream:
      if (bodyBytes !== 4) return WRONG_LENGTH;
      return streamIdFault(streamId, begun);
    case frameType.priority:
      if (streamId === 0) return OF_NO_STREAM;
      if (bodyBytes === PRIORITY_BYTES) return undefined;
      return streamId === STREAM_ID ? WRONG_PRIORITY : WRONG_LENGTH;
    case frameType.data:
    case frameType.continuation:
      return streamIdFault(streamId, begun);
    case frameType.headers:
      return streamIdFault(streamId, true);
    case frameType.pushPromise:
      return PUSH;
    default:
      return undefined;
  }
}

function streamIdFault(streamId: number, begun: boolean): Fault | undefined {
  if (streamId === 0) return OF_NO_STREAM;
  return streamId === STREAM_ID && begun ? undefined : OF_IDLE_STREAM;
}
