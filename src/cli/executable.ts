/**
 * The entry module of the single executable file, which has no modules beside it, in all of its threads.
 * `scripts/build-binary.ts` makes it.
 */
import { isMainThread } from "node:worker_threads";

if (isMainThread) void import("./command-process.ts").then(({ runCommandProcess }) => runCommandProcess());
else void import("./serving/thread-server.ts").then(({ runThreadServer }) => runThreadServer());
