/** The entry module of a worker thread of `meshcache serve`. thread-server.ts runs the server. */
import { enableCompileCache } from "node:module";

// Halves the start of a worker. It is set for each thread, and only works for what is imported after it.
enableCompileCache();
const { runThreadServer } = await import("./thread-server.ts");
await runThreadServer();
