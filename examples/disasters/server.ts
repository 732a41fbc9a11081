/** The cache server, as `meshcache serve` starts it. Its port stays the same when it is started again. */
import { createServer } from "../../src/server/index.ts";
import { say } from "./messages.ts";

const [address = ""] = process.argv.slice(2);
const server = createServer({ listen: address });
async function end(): Promise<void> {
  await server.drain();
  await server.close();
  process.exit(0);
}
process.once("SIGTERM", () => void end());
await server.start();
say({ kind: "ready" });
