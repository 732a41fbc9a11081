/**
 * Ports of this machine to listen on later, also again after a restart. A port that the system gives (port 0) is one of those
 * it gives to outgoing connections too: it may be taken by the time it is listened on. Ports from here lie below that range,
 * and none is given twice, whatever process asks: a port is claimed until its process ends, by listening on another one.
 */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/** Below 32,768, where Linux begins to take ports of outgoing connections from, and below 49,152, where others begin. */
const FIRST_PORT = 20_000;
const PORTS = 6_000;
const TRIES_MAX = 100;

export const HOST = "127.0.0.1";

/** A port of the loopback address that nobody listens on, and that no other call of this function gives meanwhile. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = FIRST_PORT + randomInt(PORTS);
    const claim = await listenOn(port + PORTS);
    if (claim === undefined) continue;
    const probe = await listenOn(port);
    if (probe === undefined) {
      claim.close();
      continue;
    }
    probe.close();
    await once(probe, "close");
    claim.unref();
    return port;
  }
  throw new Error(`${TRIES_MAX} ports from ${FIRST_PORT} on were taken`);
}

export async function freeAddress(): Promise<string> {
  return `${HOST}:${await freePort()}`;
}

async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen({ host: HOST, port, exclusive: true });
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
}
