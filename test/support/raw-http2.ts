/** Writes HTTP/2 frames directly to a socket, to break the protocol in ways that libraries do not allow. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { connectToServer } from "./test-tls.ts";

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
};
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 };
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Headers as HPACK literals without indexing, names and values up to 126 bytes. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
  return Buffer.concat(
    Object.entries(headers).map(([name, value]) =>
      Buffer.concat([Buffer.from([0]), text(name), text(value)]),
    ),
  );
}

export const CALL_HEADERS = {
  ":method": "POST",
  ":scheme": "http",
  ":path": "/meshcache.v1.CacheService/Get",
  ":authority": "test",
  "content-type": "application/grpc",
  te: "trailers",
};

export interface RawSocket {
  readonly socket: Socket;
  /** Resolves when the server has ended the connection. */
  readonly closed: Promise<void>;
  /** Ends the TCP connection with RST. */
  reset(): void;
  /** Writes as fast as the server reads, until the server ends the connection. */
  flood(chunk: Uint8Array, times: number): Promise<void>;
}

/** `sendPreface`: sends the preface and empty SETTINGS first. */
export async function connectSocket(port: number, sendPreface = true): Promise<RawSocket> {
  const { socket, readyEvent, reset } = connectToServer(port);
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.resume();
  // A server that takes no more connections ends it before that.
  await Promise.race([new Promise<void>((resolve) => socket.once(readyEvent, () => resolve())), closed]);
  if (sendPreface) socket.write(Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, 0, 0)]));
  return {
    socket,
    closed,
    reset,
    async flood(chunk, times) {
      for (let sent = 0; sent < times && socket.writable; sent++) {
        if (socket.write(chunk)) continue;
        // `once` rejects when the server ends the connection, which is the aim of a flood.
        await Promise.race([once(socket, "drain").catch(() => closed), closed]);
      }
    },
  };
}

export { PREFACE };
