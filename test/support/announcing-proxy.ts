/**
 * Puts the announcement of a single stream into the first SETTINGS of each connection, so that a client that cannot announce
 * it gets a single-stream connection. Whatever does not begin with the preface and SETTINGS passes as it is.
 */
import type { Socket } from "node:net";
import { FRAME_HEAD_BYTES, frameType, PREFACE, setting, settings } from "../../src/http2/frame.ts";
import { type ForwardingProxy, startForwardingProxy } from "./forwarding-proxy.ts";

const ANNOUNCEMENT = settings([[setting.singleStream, 1]]).subarray(FRAME_HEAD_BYTES);
const SETTINGS_AT = PREFACE.length;
const BODY_AT = SETTINGS_AT + FRAME_HEAD_BYTES;

export const startAnnouncingProxy = (serverPort: number): Promise<ForwardingProxy> =>
  startForwardingProxy(serverPort, forward);

function forward(client: Socket, server: Socket): void {
  let first = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    first = Buffer.concat([first, chunk]);
    const announced = announce(first);
    if (announced === undefined) return;
    client.off("data", read);
    server.write(announced);
    client.pipe(server);
  };
  client.on("data", read);
  client.on("end", () => server.end());
}

/** Undefined: more bytes are needed. */
function announce(first: Buffer): Buffer | undefined {
  const prefaceBytes = Math.min(first.length, PREFACE.length);
  if (first.compare(PREFACE, 0, prefaceBytes, 0, prefaceBytes) !== 0) return first;
  if (first.length < BODY_AT) return undefined;
  if (first[SETTINGS_AT + 3] !== frameType.settings) return first;
  const bodyBytes = first.readUIntBE(SETTINGS_AT, 3);
  const bodyEnd = BODY_AT + bodyBytes;
  if (first.length < bodyEnd) return undefined;
  const announced = Buffer.concat([first.subarray(0, bodyEnd), ANNOUNCEMENT, first.subarray(bodyEnd)]);
  announced.writeUIntBE(bodyBytes + ANNOUNCEMENT.length, SETTINGS_AT, 3);
  return announced;
}
