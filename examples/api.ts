/** A service that reads users from the cache. On a miss it loads them from the worker, which owns them. */
import { SpanKind } from "@opentelemetry/api";
// In your own service: from "meshcache".
import { loaded, MeshCache } from "../src/index.ts";
import { call, serveHttp } from "./http.ts";
import { report, startTracing, withSpan } from "./tracing.ts";
import { openUsers, tenantTag, type User, userKey } from "./user.ts";

const [cacheAddress = "", workerUrl = ""] = process.argv.slice(2);

startTracing("api");
const cache = new MeshCache({ address: cacheAddress, clientId: "api" });
const users = openUsers(cache);

/** The tags depend on the user, so the loader returns them. */
async function loadUser(id: string) {
  const { status, body } = await call(`${workerUrl}/rows/${id}`);
  if (status === 404) return undefined;
  const user = body as User;
  return loaded(user, { tags: [tenantTag(user.tenant)] });
}

/** Each invalidation here becomes a span in the trace of the service that changed the user. */
async function followChanges(): Promise<void> {
  for await (const event of users.subscribe()) {
    if (event.kind === "gap" || event.traceparent === "") continue;
    const { kind, target, traceparent } = event;
    await withSpan(`${target} ${kind}`, SpanKind.CONSUMER, { traceparent }, async () => undefined);
  }
}

void followChanges();
const url = await serveHttp(async (_method, path) => {
  const id = path.split("/").at(-1) ?? "";
  const entry = await users.entry(userKey(id), { loader: () => loadUser(id) });
  if (entry.kind !== "hit") return { status: 404, body: { error: "no such user" } };
  return { status: 200, body: { user: entry.value, source: entry.source } };
});
await cache.sync();
report({ kind: "listening", address: url });
