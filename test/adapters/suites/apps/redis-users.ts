/** Users of a database, cached by hand in Redis. */
import { Redis } from "ioredis";
import { readUser, type User } from "./users-database.ts";

const redis = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");

async function userOf(id: string): Promise<User> {
  const cached = await redis.get(`user:${id}`);
  if (cached !== null) return JSON.parse(cached);
  const user = await readUser(id);
  await redis.set(`user:${id}`, JSON.stringify(user), "PX", 60_000);
  return user;
}

async function changed(id: string): Promise<void> {
  await redis.del(`user:${id}`);
}

const [, , id = "1", command] = process.argv;
if (command === "changed") await changed(id);
console.log(JSON.stringify(await userOf(id)));
await redis.quit();
