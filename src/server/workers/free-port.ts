/**
 * Checks that nobody listens on a port that the worker threads are about to share. With SO_REUSEPORT alone, the system would
 * let another process of the same user listen there too and give it some of the connections. Two processes that start within
 * the same millisecond may still both find the port free.
 */
import { once } from "node:events";
import { createServer } from "node:net";

/** Rejects when the port is taken or the address cannot be listened on. Port 0 is always free. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  if (port === 0) return;
  const probe = createServer((socket) => socket.destroy());
  probe.listen({ host, port });
  await once(probe, "listening");
  probe.close();
  await once(probe, "close");
}
