/** The record that both services of the example use, and its key and tag in the cache. */
import { json, type MeshCache } from "../src/index.ts";

export interface User {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
}

export const userKey = (id: string): string => `user:${id}`;
export const tenantTag = (tenant: string): string => `tenant:${tenant}`;

export const openUsers = (cache: MeshCache) =>
  cache.namespace("users", { codec: json<User>(), ttlMs: 60_000, staleMs: 300_000 });
