/** Ports of this machine: one that is free, and one that somebody is to listen on. */

import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const TRIES_MAX = 300;

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Rejects when nobody listens after half a minute. */
export async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    if (await isListening(port)) return;
    await sleep(100);
  }
  throw new Error(`nobody listens on port ${port}`);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
