/** ioredis as its documentation recommends for throughput: one connection with auto-pipelining. */
import { readFileSync } from "node:fs";
import { Redis } from "ioredis";
import type { RemoteCache } from "../remote-cache.ts";

/** `ca`: over TLS, with the authorities in this file. */
export async function connect(
  address: string,
  ca?: string,
): Promise<RemoteCache<Buffer | null, string, number>> {
  const options = { enableAutoPipelining: true, lazyConnect: true };
  const client =
    ca === undefined
      ? new Redis(`redis://${address}`, options)
      : new Redis(`rediss://${address}`, { ...options, tls: { ca: readFileSync(ca) } });
  await client.connect();
  return {
    get: (key) => client.getBuffer(key),
    valueBytes: (answer) => answer?.length ?? -1,
    set: (key, value) => client.set(key, value),
    isStored: (answer) => answer === "OK",
    count: (key) => client.incr(key),
    counted: (answer) => answer,
    async close() {
      client.disconnect();
    },
  };
}
