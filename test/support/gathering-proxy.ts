/**
 * Sends what comes within some milliseconds as one, so that frames that a client writes one by one come together: else the answer to the
 * first may overtake the others, and what breaks the protocol in them is ignored with the rest of a stream that is over.
 */
import type { Socket } from "node:net";
import { type ForwardingProxy, startForwardingProxy } from "./forwarding-proxy.ts";

const GATHER_MS = 10;

export const startGatheringProxy = (serverPort: number): Promise<ForwardingProxy> =>
  startForwardingProxy(serverPort, forward);

function forward(client: Socket, server: Socket): void {
  let gathered: Buffer[] = [];
  const flush = (): void => {
    if (gathered.length === 0) return;
    server.write(Buffer.concat(gathered));
    gathered = [];
  };
  client.on("data", (chunk: Buffer) => {
    if (gathered.push(chunk) === 1) setTimeout(flush, GATHER_MS);
  });
  client.on("end", () => {
    flush();
    server.end();
  });
}
