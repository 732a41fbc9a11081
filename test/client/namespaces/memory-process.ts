/**
 * Opens namespaces with one key each at the server of the first argument, as many as the second one says, and prints what
 * they take: `{"heapBytesEach": …, "afterCloseBytesEach": …, "hits": …}`. Needs `--expose-gc`.
 */
import { json, MeshCache } from "../../../src/index.ts";

const [address = "", count = "0", way = "set"] = process.argv.slice(2);
const namespaces = Number(count);
const codec = json<{ id: number }>();
const open = (at: number) => cache.namespace(`tenant-${at}`, { codec, ttlMs: 60_000 });

/** The least of several: what is garbage by now does not count. */
async function heapBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise(setImmediate);
    globalThis.gc?.();
    least = Math.min(least, process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers);
  }
  return least;
}

async function use(at: number): Promise<void> {
  const namespace = open(at);
  if (way === "load") await namespace.getOrLoad("key", () => ({ id: at }));
  else await namespace.set("key", { id: at });
}

async function useAll(from: number): Promise<void> {
  for (let at = from; at < namespaces; at += 500) {
    await Promise.all(Array.from({ length: Math.min(500, namespaces - at) }, (_, index) => use(at + index)));
  }
}

const cache = new MeshCache({ address });
// What is compiled and allocated once, and the subscription that covers the rest, do not count.
for (let at = 0; at < 200; at += 1) await use(at);
await cache.sync();
const before = await heapBytes();
await useAll(200);
await cache.sync();
const after = await heapBytes();
let hits = 0;
const { hits: hitsBefore } = cache.stats().near;
for (let at = 0; at < namespaces; at += 1) if ((await open(at).get("key")).kind === "hit") hits += 1;
const near = cache.stats().near.hits - hitsBefore;
for (let at = 200; at < namespaces; at += 1) await open(at).close();
const closed = await heapBytes();
const each = (bytes: number) => Math.round(bytes / (namespaces - 200));
process.stdout.write(
  JSON.stringify({
    heapBytesEach: each(after - before),
    afterCloseBytesEach: each(closed - before),
    hits,
    nearHits: near,
    selectors: cache.stats().connection.selectors,
  }),
);
await cache.close();
