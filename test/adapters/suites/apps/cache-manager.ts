/** Prices that cache-manager computes once. */
import { createCache } from "cache-manager";
import { Keyv } from "keyv";
import { MeshCache } from "meshcache";
import { createKeyvStore } from "meshcache/keyv";

const mesh = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
const store = createKeyvStore({ cache: mesh });
const cache = createCache({ stores: [new Keyv({ store })], ttl: 60_000 });

const price = await cache.wrap("price:7", async () => ({ cents: 4_200, computedBy: process.pid }));
console.log(JSON.stringify(price));
await mesh.close();
