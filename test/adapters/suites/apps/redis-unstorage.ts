/** Settings in unstorage with Redis, of which nobody is told. */
import { createStorage } from "unstorage";
import redisDriver from "unstorage/drivers/redis";

const url = process.env.REDIS_URL ?? "redis://127.0.0.1:6379";
const storage = createStorage({ driver: redisDriver({ base: "settings", url }) });

console.log(await storage.getItem("theme"));
await storage.dispose();
