// Each adapter of PACKAGE without what it adapts, which the application would install.
import { MeshCache } from "PACKAGE";
import { createKeyValueCache } from "PACKAGE/apollo";
import { meshcacheDriver as bentocacheDriver, meshcacheBusDriver } from "PACKAGE/bentocache";
import { createKeyv6Store, createKeyvStore } from "PACKAGE/keyv";
import { createCacheHandler } from "PACKAGE/next";
import { meshcacheDriver as unstorageDriver } from "PACKAGE/unstorage";

const cache = new MeshCache({ address: process.argv[2] });
const expect = (found, wanted) => {
  if (found !== wanted) throw new Error(`${found} instead of ${wanted}`);
};

for (const store of [createKeyvStore({ cache }), createKeyv6Store({ cache, namespace: "keyv-6" })]) {
  store.namespace = "sessions";
  await store.set("1", "Ada");
  expect(await store.get("1"), "Ada");
  await store.clear();
  expect(await store.get("1"), undefined);
}
const queries = createKeyValueCache({ cache });
await queries.set("apq:1", "{ hello }", { ttl: 60 });
expect(await queries.get("apq:1"), "{ hello }");
const bento = bentocacheDriver({ cache }).factory({ prefix: "bentocache" });
await bento.set("1", "Ada", 60_000);
expect(await bento.pull("1"), "Ada");
const bus = meshcacheBusDriver({ cache }).factory().setId("one");
const message = { type: "clear", keys: [], namespace: "bentocache" };
const heard = new Promise((hear) => bus.subscribe("channel", hear));
await meshcacheBusDriver({ cache }).factory().setId("two").publish("channel", message);
expect((await heard).type, "clear");
await bus.disconnect();
const items = unstorageDriver({ cache });
await items.setItem("1", "Ada");
expect(await items.getItem("1"), "Ada");
const handler = createCacheHandler({ cache });
const value = new Blob(["Ada"]).stream();
await handler.set(
  "1",
  Promise.resolve({ value, tags: [], stale: 1, timestamp: Date.now(), expire: 60, revalidate: 60 }),
);
expect(await new Response((await handler.get("1")).value).text(), "Ada");
await import("PACKAGE/fastify");
await cache.close();
console.log("the adapters of PACKAGE work");
