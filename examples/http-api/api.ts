/** An API of users. It knows nothing of a cache but what its headers say, and each request takes it five milliseconds. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { SpanKind } from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { fastify } from "fastify";
import { withSpan } from "../tracing.ts";

type UserRoute = { Params: { id: string }; Body: { name: string } };

const SERVICE_MS = 5;
// The standard OTEL_* variables say where spans go.
const sdk = new NodeSDK({ serviceName: "api", metricReaders: [], logRecordProcessors: [] });
sdk.start();

const names = new Map<string, string>();
let requests = 0;
const app = fastify();

app.addHook("onRequest", async () => {
  requests += 1;
  await delay(SERVICE_MS);
});

app.get<UserRoute>("/users/:id", ({ params: { id }, headers }, reply) =>
  withSpan("api: GET /users/{id}", SpanKind.SERVER, headers, async () => {
    reply.header("cache-control", "max-age=60");
    return { id, name: names.get(id) ?? `user ${id}` };
  }),
);

app.patch<UserRoute>("/users/:id", ({ params: { id }, body: { name }, headers }) =>
  withSpan("api: PATCH /users/{id}", SpanKind.SERVER, headers, async () => {
    names.set(id, name);
    return { id, name };
  }),
);

process.on("message", () => process.send?.(requests));
const url = await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`listening on ${url.slice("http://".length)},`);
await once(process, "SIGTERM");
await app.close();
await sdk.shutdown();
if (process.connected) process.disconnect();
