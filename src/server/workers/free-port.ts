/**
 * Makes sure that nobody else listens on a port that several servers are about to share: by itself the system
 * would let another process of the same user in on it, and give each some of the connections. Only of two
 * processes that start within the same millisecond may both find it free.
 */
import { once } from "node:events";
import { createServer } from "node:net";

/** Rejects when the port is taken, or cannot be listened on at all. Port 0 is always free. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  if (port === 0) return;
  const probe = createServer((socket) => socket.destroy());
  probe.listen({ host, port });
  await once(probe, "listening");
  probe.close();
  await once(probe, "close");
}
