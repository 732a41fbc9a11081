/** What a server takes beside its store while it writes a snapshot, and while it loads one. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { createServiceClient } from "../../src/rpc/client.ts";
import { forgetPeak, statusBytes } from "../support/process-memory.ts";
import { type ServerProcess, startServerProcess, stopServerProcess } from "../support/server-process.ts";

const MIB = 2 ** 20;
const BOUND_BYTES = 64 * MIB;
/** Many times the bound: a copy of the store would not be overlooked. */
const STORED_BYTES = 256 * MIB;
const VALUE = Buffer.alloc(128 * 1024, "meshcache");
const CALLS_AT_ONCE = 8;
const PEAK_MEMORY = pathToFileURL("test/support/peak-memory.ts").href;

let folder: string;
let server: ServerProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meshcache-memory-"));
});
afterEach(() => {
  server?.child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** One worker: threads that end before the file is written would give back what it takes. */
const start = (): Promise<ServerProcess> =>
  startServerProcess(
    ["--snapshot", join(folder, "snapshot"), "--workers", "1", "--store-budget-bytes", `${2 * STORED_BYTES}`],
    { nodeFlags: ["--import", PEAK_MEMORY], env: { PEAK_MEMORY_FILE: join(folder, "peak") } },
  );

async function fill({ address }: ServerProcess): Promise<void> {
  const client = createServiceClient(address, credentials.createInsecure());
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < STORED_BYTES / VALUE.length) {
      next += 1;
      await client.unary(CacheService.method.set, { namespace: "n", key: `key ${next}`, value: VALUE });
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, write));
  client.close();
}

describe.runIf(process.platform === "linux")(
  "a snapshot that is many times the memory allowed for it",
  () => {
    it("takes less than 64 MiB beside the store to write, and to load", async () => {
      server = await start();
      const emptyBytes = statusBytes(server.child.pid, "VmHWM");
      await fill(server);

      const filledBytes = statusBytes(server.child.pid, "VmRSS");
      forgetPeak(server.child.pid);
      await stopServerProcess(server);
      const writtenPeakBytes = Number(readFileSync(join(folder, "peak"), "utf8"));
      const fileBytes = statSync(join(folder, "snapshot")).size;
      expect(fileBytes).toBeGreaterThan(STORED_BYTES);
      expect(writtenPeakBytes - filledBytes).toBeLessThan(BOUND_BYTES);

      server = await start();
      const loadedPeakBytes = statusBytes(server.child.pid, "VmHWM");
      // It did load the file.
      expect(loadedPeakBytes - emptyBytes).toBeGreaterThan(STORED_BYTES / 2);
      expect(loadedPeakBytes - emptyBytes - fileBytes).toBeLessThan(BOUND_BYTES);
    });
  },
);
