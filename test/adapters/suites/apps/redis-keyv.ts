/** Sessions in a Keyv with Redis. */
import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";

const store = new KeyvRedis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const sessions = new Keyv({ store, namespace: "sessions", ttl: 60_000 });
sessions.on("error", (error) => console.error(error));

const [, , command = "", id = "", user = ""] = process.argv;
if (command === "begin") await sessions.set(id, { user });
if (command === "end") await sessions.delete(id);
console.log(JSON.stringify((await sessions.get(id)) ?? null));
await sessions.disconnect();
