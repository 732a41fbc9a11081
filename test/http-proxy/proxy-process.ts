/** A process with a proxy, which tells where it listens. */
import { startHttpProxy } from "../../src/http-proxy/index.ts";
import { MeshCache } from "../../src/index.ts";
import { PATIENT } from "./proxied-origin.ts";

const [address = "", origin = ""] = process.argv.slice(2);
const cache = new MeshCache({ address, ...PATIENT });
await cache.namespace("warm-up").get("warm-up");
const proxy = await startHttpProxy({ cache, origin, listen: { host: "127.0.0.1", port: 0 } });
process.on("disconnect", () => process.exit());
process.send?.(proxy.address);
