/** Settings in unstorage, whose changes are watched. */
import { MeshCache } from "meshcache";
import { meshcacheDriver } from "meshcache/unstorage";
import { createStorage } from "unstorage";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
const storage = createStorage({ driver: meshcacheDriver({ cache, base: "settings" }) });

const changed = Promise.withResolvers<string>();
await storage.watch((event, key) => changed.resolve(`${event} ${key}`));
console.log("ready");
console.log(await changed.promise, await storage.getItem("theme"));
await storage.dispose();
await cache.close();
