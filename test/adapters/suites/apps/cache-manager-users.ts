/** Users of a database, in cache-manager. */
import KeyvRedis from "@keyv/redis";
import { createCache } from "cache-manager";
import { Keyv } from "keyv";
import { readUser, type User } from "./users-database.ts";

const store = new KeyvRedis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const cache = createCache({ stores: [new Keyv({ store })], ttl: 60_000 });

function userOf(id: string): Promise<User | undefined> {
  return cache.wrap(`user:${id}`, () => readUser(id));
}

async function changed(id: string): Promise<void> {
  await cache.del(`user:${id}`);
}

const [, , id = "1", command] = process.argv;
if (command === "changed") await changed(id);
console.log(JSON.stringify(await userOf(id)));
await cache.disconnect();
