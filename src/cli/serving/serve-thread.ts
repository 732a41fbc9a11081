/** The entry of a worker thread of `meshcache serve`; what it runs is in thread-server.ts. */
import { enableCompileCache } from "node:module";

// Halves what each worker takes to start, and holds for its own thread only; so the rest is imported after it.
enableCompileCache();
const { runThreadServer } = await import("./thread-server.ts");
runThreadServer();
