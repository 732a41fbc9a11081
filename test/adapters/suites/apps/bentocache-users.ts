/** Users of a database, in BentoCache. */
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";
import { readUser, type User } from "./users-database.ts";

const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT ?? 6379) };
const cache = new BentoCache({
  default: "users",
  stores: {
    users: bentostore()
      .useL1Layer(memoryDriver({ maxItems: 1_000 }))
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection })),
  },
});
const users = cache.namespace("users");

function userOf(id: string): Promise<User | undefined> {
  return users.getOrSet({ key: id, factory: () => readUser(id), ttl: "1m" });
}

async function changed(id: string): Promise<void> {
  await users.delete({ key: id });
}

const [, , id = "1", command] = process.argv;
if (command === "changed") await changed(id);
console.log(JSON.stringify(await userOf(id)));
await cache.disconnectAll();
