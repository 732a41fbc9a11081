/** A service of orders, whose answers tell clients how long they may keep them. */
import { randomUUID } from "node:crypto";
import fastifyCaching from "@fastify/caching";
import fastify from "fastify";

const app = fastify();
await app.register(fastifyCaching, { privacy: fastifyCaching.privacy.PUBLIC, expiresIn: 60 });

app.get<{ Params: { id: string } }>("/orders/:id", async ({ params }) => readOrder(params.id));
app.post<{ Params: { id: string } }>("/orders/:id/cancel", async ({ params }) => cancelOrder(params.id));

async function readOrder(id: string): Promise<object> {
  return { id, read: randomUUID() };
}

async function cancelOrder(id: string): Promise<object> {
  return { id, cancelled: true };
}

console.log(await app.listen({ port: 0, host: "127.0.0.1" }));
process.once("SIGTERM", () => app.close());
