/** A process that calls the users service many times at once through a cache, and reports what it was answered. */
import type { ServiceDefinition } from "@grpc/grpc-js";
import { MeshCache } from "../../src/index.ts";
import { createCacheInterceptor } from "../../src/responses/grpc/index.ts";
import { connectUsers } from "./users-server.ts";
import { loadUsers, PATIENT } from "./users-service.ts";

export interface CallingOrder {
  readonly calls: number;
  readonly request: object;
}

export type CallingNews =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly names: readonly string[] };

const [cacheAddress = "", serviceAddress = ""] = process.argv.slice(2);
const tell = (news: CallingNews): void => {
  process.send?.(news);
};

const definition = loadUsers(false) as ServiceDefinition;
const cache = new MeshCache({ address: cacheAddress, ...PATIENT });
const client = connectUsers(serviceAddress, definition, [
  createCacheInterceptor({ cache, definitions: definition }),
]);
await cache.namespace("warm-up").get("warm-up");

process.on("message", async ({ calls, request }: CallingOrder) => {
  const seen = await Promise.all(Array.from({ length: calls }, () => client.call("GetUser", request)));
  tell({ kind: "done", names: seen.map(({ response }) => String((response as { name?: string })?.name)) });
});
process.on("disconnect", () => process.exit());
tell({ kind: "ready" });
