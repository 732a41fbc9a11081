/** A NestJS application whose responses are cached in Redis. Its decorators are in nest-users.ts. */
import KeyvRedis from "@keyv/redis";
import { CacheModule } from "@nestjs/cache-manager";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { Users } from "./nest-users.ts";

const store = new KeyvRedis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const caching = CacheModule.register({ ttl: 60_000, stores: [store] });

class App {}
Module({ imports: [caching], controllers: [Users] })(App);

const app = await NestFactory.create(App, { logger: ["error"] });
await app.listen(0, "127.0.0.1");
console.log(await app.getUrl());
process.once("SIGTERM", async () => {
  await app.close();
  await store.disconnect();
});
