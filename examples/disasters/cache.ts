/** The client of the cache, as the writer and the API processes make it. */
// In your own service: from "meshcache".
import { setTimeout as pause } from "node:timers/promises";
import { type ClientOptions, json, MeshCache } from "../../src/index.ts";
import { type Row, say } from "./messages.ts";
import { LEASE_MS } from "./promise.ts";

export function openCache(address: string, options: Partial<ClientOptions> = {}): MeshCache {
  return new MeshCache({
    address,
    leaseMs: LEASE_MS,
    pingMs: 100,
    silenceMaxMs: 500,
    deadlineMs: 500,
    connectTimeoutMs: 500,
    backoffMaxMs: 200,
    onEvent: ({ kind, message }) => say({ kind: "event", name: kind, message }),
    ...options,
  });
}

export const rowsOf = (cache: MeshCache) => cache.namespace("rows", { codec: json<Row>(), ttlMs: 600_000 });

/** Of a page an old copy is better than none: in an outage it may be a minute old. */
export const pagesOf = (cache: MeshCache) =>
  cache.namespace("pages", { codec: json<Row>(), ttlMs: 600_000, outageTtlMs: 60_000 });

/** Says that the process is ready, once it has reached the cache. */
export async function sayWhenConnected(rows: ReturnType<typeof rowsOf>): Promise<void> {
  for (;;) {
    const reached = await rows.get("any", { maxStalenessMs: 0 }).catch(() => undefined);
    if (reached !== undefined) break;
    await pause(50);
  }
  say({ kind: "ready" });
}
