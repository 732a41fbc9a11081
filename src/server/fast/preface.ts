/** Reads in the first bytes of a connection whether its client announces that it opens a single stream. */
import {
  FRAME_HEAD_BYTES,
  frameType,
  isSettingsLength,
  PREFACE,
  readSettings,
  setting,
} from "../../http2/frame.ts";

/**
 * The preface and the first SETTINGS have to be in these bytes as a whole. A client that announces a single stream sends
 * them in its first segment, so the server waits for no more.
 */
export function announcesSingleStream(firstBytes: Buffer): boolean {
  const at = PREFACE.length;
  const bodyAt = at + FRAME_HEAD_BYTES;
  if (firstBytes.length < bodyAt || firstBytes.compare(PREFACE, 0, at, 0, at) !== 0) return false;
  const bodyBytes = firstBytes.readUIntBE(at, 3);
  if (firstBytes[at + 3] !== frameType.settings || firstBytes.length < bodyAt + bodyBytes) return false;
  if (!isSettingsLength(bodyBytes)) return false;
  let announced = false;
  readSettings(firstBytes.subarray(bodyAt, bodyAt + bodyBytes), (name, value) => {
    if (name === setting.singleStream) announced = value === 1;
  });
  return announced;
}
