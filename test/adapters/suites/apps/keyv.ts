/** Sessions in a Keyv. */
import { Keyv } from "keyv";
import { MeshCache } from "meshcache";
import { createKeyvStore } from "meshcache/keyv";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
const store = createKeyvStore({ cache });
const sessions = new Keyv({ store, namespace: "sessions", ttl: 60_000 });
sessions.on("error", (error) => console.error(error));

const [, , command = "", id = "", user = ""] = process.argv;
if (command === "begin") await sessions.set(id, { user });
if (command === "end") await sessions.delete(id);
console.log(JSON.stringify((await sessions.get(id)) ?? null));
await cache.close();
