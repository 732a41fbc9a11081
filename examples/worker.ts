/** A service that owns the users. It invalidates each user that it changes, in the whole mesh. */
// In your own service: from "meshcache".
import { MeshCache } from "../src/index.ts";
import { serveHttp } from "./http.ts";
import { report, startTracing } from "./tracing.ts";
import { openUsers, tenantTag, type User, userKey } from "./user.ts";

const [cacheAddress = ""] = process.argv.slice(2);

startTracing("worker");
const cache = new MeshCache({ address: cacheAddress, clientId: "worker", nearCache: false });
const users = openUsers(cache);

/** The database. */
const rows = new Map<string, User>(
  ["Ada", "Grace", "Radia"].map((name, at) => [`${at}`, { id: `${at}`, tenant: "acme", name }]),
);

const url = await serveHttp(async (method, path, body) => {
  const [, what, id = ""] = path.split("/");
  const row = rows.get(id);
  if (what === "rows") {
    return row === undefined ? { status: 404, body: {} } : { status: 200, body: row };
  }
  if (what === "users" && method === "PUT" && row !== undefined) {
    const { name } = body as Pick<User, "name">;
    rows.set(id, { ...row, name });
    // After the commit. A load that has read the old row can no longer store it.
    await users.invalidate({ keys: [userKey(id)] });
    return { status: 200, body: {} };
  }
  if (what === "tenants" && method === "DELETE") {
    for (const one of rows.values()) if (one.tenant === id) rows.delete(one.id);
    await users.invalidate({ tags: [tenantTag(id)] });
    return { status: 200, body: {} };
  }
  return { status: 404, body: {} };
});
report({ kind: "listening", address: url });
