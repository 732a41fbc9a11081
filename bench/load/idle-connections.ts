/** Connections of HTTP/1.1 clients that have asked once, and then keep still. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { LOOPBACK } from "../process/loopback.ts";
import { answerCalls } from "../process/worker.ts";

const AT_A_TIME = 100;
const sockets: Socket[] = [];

async function open(port: number): Promise<void> {
  const socket = connect(port, LOOPBACK);
  sockets.push(socket);
  socket.on("error", () => {});
  socket.write(`GET / HTTP/1.1\r\nHost: ${LOOPBACK}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  if (!String(answer).startsWith("HTTP/1.1 200 "))
    throw new Error(`answered ${String(answer).split("\r\n", 1)}`);
}

const handlers = {
  async open(port: number, count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += AT_A_TIME)
      await Promise.all(Array.from({ length: Math.min(AT_A_TIME, count - opened) }, () => open(port)));
  },

  /** Those that are still open. */
  async alive(): Promise<number> {
    return sockets.filter((socket) => socket.readyState === "open").length;
  },

  async close(): Promise<void> {
    for (const socket of sockets.splice(0)) socket.destroy();
  },
};

export type IdleConnections = typeof handlers;

answerCalls(handlers);
