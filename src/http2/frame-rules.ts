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

/** The stream of a frame. "idle": it has not begun. "new": it has not either, and this frame may begin it. */
export type StreamStage = "idle" | "new" | "begun";

/** The frame is no part of a header block that continues. */
export function frameFault(head: FrameHead, stage: StreamStage): Fault | undefined {
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
      return streamId === 0 ? undefined : stageFault(streamId, stage);
    case frameType.resetStream:
      if (bodyBytes !== 4) return WRONG_LENGTH;
      return stageFault(streamId, stage);
    case frameType.priority:
      if (streamId === 0) return OF_NO_STREAM;
      if (bodyBytes === PRIORITY_BYTES) return undefined;
      return stage === "idle" ? WRONG_LENGTH : WRONG_PRIORITY;
    case frameType.data:
    case frameType.continuation:
      return stageFault(streamId, stage);
    case frameType.headers:
      return stageFault(streamId, stage === "new" ? "begun" : stage);
    case frameType.pushPromise:
      return PUSH;
    default:
      return undefined;
  }
}

function stageFault(streamId: number, stage: StreamStage): Fault | undefined {
  if (streamId === 0) return OF_NO_STREAM;
  return stage === "begun" ? undefined : OF_IDLE_STREAM;
}
