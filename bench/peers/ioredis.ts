/** ioredis as its documentation recommends for throughput: one connection with auto-pipelining. */
import { Redis } from "ioredis";
import type { RemoteCache } from "../remote-cache.ts";

export async function connect(address: string): Promise<RemoteCache<Buffer | null, string>> {
  const client = new Redis(`redis://${address}`, { enableAutoPipelining: true, lazyConnect: true });
  await client.connect();
  return {
    get: (key) => client.getBuffer(key),
    valueBytes: (answer) => answer?.length ?? -1,
    set: (key, value) => client.set(key, value),
    isStored: (answer) => answer === "OK",
    async close() {
      client.disconnect();
    },
  };
}
