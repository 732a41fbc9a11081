/**
 * Puts the announcement of a single stream into the first SETTINGS of each connection, so that a client that cannot announce
 * it gets a single-stream connection. Whatever does not begin with the preface and SETTINGS passes as it is.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { FRAME_HEAD_BYTES, frameType, PREFACE, setting, settings } from "../../src/http2/frame.ts";
import { connectToServer, createPlainOrTlsServer } from "./test-tls.ts";

const ANNOUNCEMENT = settings([[setting.singleStream, 1]]).subarray(FRAME_HEAD_BYTES);
const SETTINGS_AT = PREFACE.length;
const BODY_AT = SETTINGS_AT + FRAME_HEAD_BYTES;

export interface AnnouncingProxy {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startAnnouncingProxy(serverPort: number): Promise<AnnouncingProxy> {
  const sockets = new Set<Socket>();
  const proxy = createPlainOrTlsServer((client) => {
    const server = connectToServer(serverPort).socket;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    server.pipe(client);
    forward(client, server);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}

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
