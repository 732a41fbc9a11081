/** A NestJS application whose responses are cached. Its decorators are in nest-users.ts. */
import { CacheModule } from "@nestjs/cache-manager";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { MeshCache } from "meshcache";
import { createKeyvStore } from "meshcache/keyv";
import { Users } from "./nest-users.ts";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
const store = createKeyvStore({ cache });
const caching = CacheModule.register({ ttl: 60_000, stores: [store] });

class App {}
Module({ imports: [caching], controllers: [Users] })(App);

const app = await NestFactory.create(App, { logger: ["error"] });
await app.listen(0, "127.0.0.1");
console.log(await app.getUrl());
process.once("SIGTERM", async () => {
  await app.close();
  await cache.close();
});
