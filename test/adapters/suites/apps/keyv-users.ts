/** Users of a database, in a Keyv. */
import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";
import { readUser, type User } from "./users-database.ts";

const store = new KeyvRedis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const users = new Keyv<User>({ store, namespace: "users", ttl: 60_000 });

async function userOf(id: string): Promise<User> {
  const cached = await users.get(id);
  if (cached !== undefined) return cached;
  const user = await readUser(id);
  await users.set(id, user);
  return user;
}

async function changed(id: string): Promise<void> {
  await users.delete(id);
}

const [, , id = "1", command] = process.argv;
if (command === "changed") await changed(id);
console.log(JSON.stringify(await userOf(id)));
await users.disconnect();
