// Each export of meshcache, and that its client is the one of meshcache-client.
import * as client from "meshcache";
import { CacheService } from "meshcache/gen/meshcache/v1/cache_pb";
import { createServer } from "meshcache/server";
import { startTestCache } from "meshcache/testing";

if (CacheService.typeName !== "meshcache.v1.CacheService") throw new Error("gen export");
if (typeof createServer !== "function") throw new Error("server export");
const mesh = await startTestCache();
const users = mesh.cache.namespace("users", { codec: client.json(), ttlMs: 60_000 });
const user = await users.getOrLoad("user:1", () => ({ name: "Ada" }), { tags: ["tenant:7"] });
if (user?.name !== "Ada") throw new Error("getOrLoad");
if (!(mesh.cache instanceof client.MeshCache)) throw new Error("meshcache/testing has a client of its own");
await mesh.close();
console.log("each export of meshcache works");
