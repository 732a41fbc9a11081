/** Prices that cache-manager computes once, with Redis. */
import KeyvRedis from "@keyv/redis";
import { createCache } from "cache-manager";
import { Keyv } from "keyv";

const store = new KeyvRedis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const cache = createCache({ stores: [new Keyv({ store })], ttl: 60_000 });

const price = await cache.wrap("price:7", async () => ({ cents: 4_200, computedBy: process.pid }));
console.log(JSON.stringify(price));
await cache.disconnect();
