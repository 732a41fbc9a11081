/** The service that owns the users. It knows nothing of a cache, and each call takes it five milliseconds. */
import { setTimeout as delay } from "node:timers/promises";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { SpanKind } from "@opentelemetry/api";
import { report, startTracing, withSpan } from "../tracing.ts";
import { type Done, definition, type Order, type User } from "./users.ts";

startTracing("service");
const names = new Map<number, string>();
let calls = 0;

const answer =
  (method: string) =>
  (call: ServerUnaryCall<Partial<User>, User>, callback: sendUnaryData<User>): void => {
    const { userId = 0, name } = call.request;
    calls += 1;
    void withSpan(`service: ${method}`, SpanKind.SERVER, call.metadata.getMap(), async () => {
      await delay(5);
      if (name) names.set(userId, name);
      callback(null, { userId, name: names.get(userId) ?? `user ${userId}` });
    });
  };

process.on("message", (order: Order) => {
  if (order.kind === "calls") process.send?.({ kind: "done", result: calls } satisfies Done);
});
const server = new Server();
server.addService(definition, { GetUser: answer("GetUser"), RenameUser: answer("RenameUser") });
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  report({ kind: "listening", address: `127.0.0.1:${port}` });
});
