/** The first bytes of a connection, and what they say of who is to serve it. */
import type { Socket } from "node:net";
import { FRAME_HEAD_BYTES, frameType, PREFACE, readSettings, setting } from "../../http2/frame.ts";

/** Calls `heard` once, with undefined when there is nothing to come. The bytes are no longer the socket's. */
export function hearGreeting(socket: Socket, heard: (greeting: Buffer | undefined) => void): void {
  const listen = (): void => {
    socket.off("readable", listen);
    socket.off("close", listen);
    const greeting: unknown = socket.read();
    heard(Buffer.isBuffer(greeting) ? greeting : undefined);
  };
  socket.on("readable", listen);
  socket.on("close", listen);
}

/**
 * Whether it is a client of HTTP/2 that has said, in its first settings, that it opens one stream only. It says so in
 * its first segment: a greeting in smaller pieces is not waited for.
 */
export function announcesSoleStream(greeting: Buffer): boolean {
  const at = PREFACE.length;
  const bodyAt = at + FRAME_HEAD_BYTES;
  if (greeting.length < bodyAt || greeting.compare(PREFACE, 0, at, 0, at) !== 0) return false;
  const bodyBytes = greeting.readUIntBE(at, 3);
  if (greeting[at + 3] !== frameType.settings || greeting.length < bodyAt + bodyBytes) return false;
  let announced = false;
  const isRead = readSettings(greeting.subarray(bodyAt, bodyAt + bodyBytes), (name, value) => {
    if (name === setting.soleStream) announced = value === 1;
  });
  return isRead && announced;
}
