/** Users of a database, cached by hand. */
import { json, MeshCache } from "meshcache";
import { readUser, type User } from "./users-database.ts";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
const users = cache.namespace("users", { codec: json<User>(), ttlMs: "1m" });

function userOf(id: string): Promise<User | undefined> {
  return users.getOrLoad(id, () => readUser(id));
}

async function changed(id: string): Promise<void> {
  await users.invalidate({ keys: [id] });
}

const [, , id = "1", command] = process.argv;
if (command === "changed") await changed(id);
console.log(JSON.stringify(await userOf(id)));
await cache.close();
