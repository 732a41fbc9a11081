/** A service of orders, whose answers are cached until an order changes. */
import { randomUUID } from "node:crypto";
import fastify from "fastify";
import { MeshCache } from "meshcache";
import { meshcache } from "meshcache/fastify";

const tags = (request: { params: unknown }) => [`order:${(request.params as { id: string }).id}`];

const app = fastify();
const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
await app.register(meshcache, { cache, namespace: "orders-api" });
app.addHook("onClose", () => cache.close());

app.get<{ Params: { id: string } }>(
  "/orders/:id",
  { config: { meshcache: { cache: { ttlMs: "1m", tags } } } },
  async ({ params }) => readOrder(params.id),
);
app.post<{ Params: { id: string } }>(
  "/orders/:id/cancel",
  { config: { meshcache: { invalidates: tags } } },
  async ({ params }) => cancelOrder(params.id),
);

async function readOrder(id: string): Promise<object> {
  return { id, read: randomUUID() };
}

async function cancelOrder(id: string): Promise<object> {
  return { id, cancelled: true };
}

console.log(await app.listen({ port: 0, host: "127.0.0.1" }));
process.once("SIGTERM", () => app.close());
