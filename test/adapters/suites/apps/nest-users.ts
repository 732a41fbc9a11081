/** A controller with CacheInterceptor. Decorators are called, because Node only strips types. */
import "reflect-metadata";
import { CACHE_MANAGER, CacheInterceptor } from "@nestjs/cache-manager";
import { Controller, Delete, Get, Inject, Param, UseInterceptors } from "@nestjs/common";
import type { Cache } from "cache-manager";

let computed = 0;

export class Users {
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  find(id: string): object {
    computed += 1;
    return { id, computed, process: process.pid };
  }

  evict(id: string): Promise<boolean> {
    return this.#cache.del(`/users/${id}`);
  }
}

function decorate(method: "find" | "evict", ...decorators: MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(Users.prototype, method) ?? {};
  for (const decorator of decorators) decorator(Users.prototype, method, descriptor);
  Param("id")(Users.prototype, method, 0);
}

decorate("find", Get(":id"), UseInterceptors(CacheInterceptor));
decorate("evict", Delete(":id"));
Inject(CACHE_MANAGER)(Users, undefined, 0);
Controller("users")(Users);
