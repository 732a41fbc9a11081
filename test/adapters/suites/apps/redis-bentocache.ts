/** A service that keeps users in BentoCache with Redis, and does as it is told by lines on its standard input. */
import { createInterface } from "node:readline";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";

const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT ?? 6379) };
const bento = new BentoCache({
  default: "users",
  stores: {
    users: bentostore()
      .useL1Layer(memoryDriver({ maxItems: 1_000 }))
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection })),
  },
});

console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const [command, key = "", value] = line.split(" ");
  if (command === "set") await bento.set({ key, value, tags: ["all"] });
  if (command === "delete") await bento.delete({ key });
  if (command === "deleteByTag") await bento.deleteByTag({ tags: [key] });
  if (command === "clear") await bento.clear();
  console.log(JSON.stringify((await bento.get({ key })) ?? null));
}
await bento.disconnectAll();
