/** A process whose first worker uses up its memory when it is asked for an entry. Prints the cause of the crash. */
import { credentials } from "@grpc/grpc-js";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { createServiceClient } from "../../src/rpc/client.ts";
import { createServerThreads } from "../../src/server/workers/index.ts";

const threads = createServerThreads({
  workers: 1,
  listen: "127.0.0.1:0",
  entry: new URL("./scripted-thread.ts", import.meta.url),
  extraFor: () => ({ value: { death: { at: "Get", by: "memory" } }, transfer: [] }),
  heap: { maxOldGenerationSizeMb: 64 },
});
const address = await threads.start();
const client = createServiceClient(address, credentials.createInsecure());
client.unary(CacheService.method.get, { namespace: "users", key: "1" }).catch(() => {});
console.log((await threads.crashed).message);
process.exit(0);
