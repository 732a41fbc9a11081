// A service with the client of PACKAGE: what it writes it reads, what another client changes it sees.
import { CacheError, json, MeshCache } from "PACKAGE";

const address = process.argv[2];
const cache = new MeshCache({ address });
const other = new MeshCache({ address });
const users = cache.namespace("users", { codec: json(), ttlMs: 60_000 });
await users.set("user:1", { name: "Ada" }, { tags: ["tenant:7"] });
const user = await users.getOrLoad("user:1", () => ({ name: "not asked" }));
if (user?.name !== "Ada") throw new Error(`read ${JSON.stringify(user)}`);
await other.namespace("users").invalidate({ tags: ["tenant:7"] });
await cache.sync();
const found = await users.get("user:1");
if (found.kind !== "miss") throw new Error(`after the invalidation: ${found.kind}`);
const refused = await users.get("").catch((error) => error);
if (!(refused instanceof CacheError) || refused.reason !== "FIELD_INVALID") throw new Error(String(refused));
await Promise.all([cache.close(), other.close()]);
console.log("PACKAGE works");
