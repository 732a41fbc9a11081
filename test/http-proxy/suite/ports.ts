/** A port of this machine that somebody is to listen on. */

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const TRIES_MAX = 300;

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
