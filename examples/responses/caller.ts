/** A service that calls the one with the users. What caches their responses is one line: the interceptor. */
import {
  type Client,
  credentials,
  type Metadata,
  Metadata as MetadataOf,
  makeClientConstructor,
} from "@grpc/grpc-js";
import { SpanKind } from "@opentelemetry/api";
// In your own service: from "meshcache" and "meshcache/grpc".
import { MeshCache } from "../../src/index.ts";
import { createCacheInterceptor } from "../../src/responses/grpc/index.ts";
import { report, startTracing, traceHeaders, withSpan } from "../tracing.ts";
import { type Called, type Done, definition, type Order, type Replayed, type User } from "./users.ts";

const [name = "", cacheAddress = "", serviceAddress = ""] = process.argv.slice(2);
const IN_FLIGHT = 8;

startTracing(name);
const cache = new MeshCache({ address: cacheAddress, clientId: name });
const UserClient = makeClientConstructor(definition, "users");
const cached = new UserClient(serviceAddress, credentials.createInsecure(), {
  interceptors: [createCacheInterceptor({ cache, definitions: definition })],
});
const uncached = new UserClient(serviceAddress, credentials.createInsecure());

function call(client: Client, method: "GetUser" | "RenameUser", request: Partial<User>): Promise<Called> {
  const { path, requestSerialize, responseDeserialize } = definition[method] ?? missing();
  const metadata = new MetadataOf();
  for (const [header, value] of Object.entries(traceHeaders())) metadata.set(header, value);
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    let user: User | undefined;
    let marks: unknown[] = [];
    const take = (received: Metadata): void => {
      marks = [...marks, ...received.get("x-meshcache")];
    };
    client
      .makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        (error, response?: User) => {
          if (error) reject(error);
          user = response;
        },
      )
      .on("metadata", take)
      .on("status", (status) => {
        take(status.metadata);
        if (user !== undefined)
          resolve({ user, mark: String(marks[0] ?? "uncached"), tookMs: performance.now() - startedMs });
      });
  });
}

function missing(): never {
  throw new Error("no such method");
}

async function replay(userIds: readonly number[], client: Client): Promise<Replayed> {
  const marks: Record<string, number> = {};
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < userIds.length) {
      const { mark } = await call(client, "GetUser", { userId: userIds[next++] ?? 0 });
      marks[mark] = (marks[mark] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return marks;
}

function run(order: Order): Promise<unknown> {
  switch (order.kind) {
    case "get":
      return withSpan("GetUser", SpanKind.CLIENT, {}, () => call(cached, "GetUser", order));
    case "rename":
      return withSpan("RenameUser", SpanKind.CLIENT, {}, () => call(cached, "RenameUser", order));
    case "sync":
      return cache.sync();
    case "replay":
      return replay(order.userIds, order.cached ? cached : uncached);
    case "calls":
      throw new Error("only the service counts its calls");
  }
}

process.on("message", (order: Order) => {
  run(order).then(
    (result) => process.send?.({ kind: "done", result } satisfies Done),
    (error: unknown) => {
      throw error;
    },
  );
});
await cache.sync();
report({ kind: "listening", address: "" });
