/** The host that all benches use, and free ports on it. */
import { once } from "node:events";
import { createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, LOOPBACK);
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
