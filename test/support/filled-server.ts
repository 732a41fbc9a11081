/** A `meshcache serve` in a process of its own, filled over its budget: its resident memory, and what `sizing` says. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { toFlag } from "../../src/cli/settings/names.ts";
import type { Settings } from "../../src/cli/settings/settings.ts";
import { createServiceClient } from "../../src/rpc/client.ts";
import { statusBytes } from "./process-memory.ts";
import { CALM } from "./test-workers.ts";

const LAUNCH = "src/cli/launch.ts";
const NAMESPACE = "filled";
/** Enough that the system spreads them over all workers. */
const CONNECTIONS = 16;
const CALLS_EACH = 4;
const OWN_CONNECTION = { "grpc.use_local_subchannel_pool": 1, "grpc.max_send_message_length": 4 << 20 };
const VALUE_MAX_BYTES = 1 << 20;
const VALUE = Buffer.alloc(VALUE_MAX_BYTES, "meshcache");
/** What the load does not need is bounded low, so that the ceiling is not far above what it needs. */
const LOW_BOUNDS = { connectionsMax: 64, leasesMax: 64, queuesMaxBytes: 2 ** 20 };
/** An idle server has done what it does after its start. */
const SETTLE_MS = 1_500;

/** Settings of the server by their names. */
export type FilledSettings = Readonly<Partial<Settings>> & Pick<Settings, "workers" | "storeBudgetBytes">;

export interface FilledMemory {
  readonly idleBytes: number;
  /** The most that was ever resident. */
  readonly peakBytes: number;
  /** As `meshcache sizing` computes them from the same settings. */
  readonly sized: { readonly idleBytes: number; readonly ceilingBytes: number };
}

/**
 * Stores values of 1 B to 1 MiB, of each order of magnitude as many, under ever new keys with tags, until it has stored the
 * budget `times` times. Linux only.
 */
export async function fillServer(settings: FilledSettings, times: number): Promise<FilledMemory> {
  const flags = Object.entries({ ...LOW_BOUNDS, ...settings }).flatMap(([name, value]) => [
    toFlag(name),
    `${value}`,
  ]);
  const ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  // The peak is to be that of a server which refuses none of the load.
  const all = ["--shed-after-ms", `${CALM.shedAfterMs}`, "--resident-max-bytes", "0"];
  const sizing = await promisify(execFile)(process.execPath, [LAUNCH, "sizing", "--json", ...flags]);
  const sized: FilledMemory["sized"] = JSON.parse(sizing.stdout);
  const child = spawn(
    process.execPath,
    [LAUNCH, "serve", "--log-level", "warn", ...ports, ...all, ...flags],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  try {
    const address = await addressOf(createInterface({ input: child.stdout }));
    await pause(SETTLE_MS);
    const idleBytes = statusBytes(child.pid, "VmRSS");
    await fill(address, settings.storeBudgetBytes * times);
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("the server has ended");
    return { idleBytes, peakBytes: statusBytes(child.pid, "VmHWM"), sized };
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

async function addressOf(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const address = /listens on (\S+)/.exec(line)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error("the server did not start");
}

async function fill(address: string, bytes: number): Promise<void> {
  const clients = Array.from({ length: CONNECTIONS }, () =>
    createServiceClient(address, credentials.createInsecure(), OWN_CONNECTION),
  );
  let stored = 0;
  let count = 0;
  await Promise.all(
    clients.flatMap((client) =>
      Array.from({ length: CALLS_EACH }, async () => {
        while (stored < bytes) {
          count += 1;
          const value = VALUE.subarray(0, sizeOf(count));
          stored += value.length;
          const tags = [`tag ${count % 100_000}`];
          await client.unary(CacheService.method.set, {
            namespace: NAMESPACE,
            key: `key ${count}`,
            value,
            tags,
            sourceVersion: 1n,
          });
        }
      }),
    ),
  );
  for (const client of clients) client.close();
}

/** The golden ratio spreads the numbers evenly over the orders of magnitude, the same in each run. */
function sizeOf(count: number): number {
  return Math.floor(VALUE_MAX_BYTES ** ((count * 0.618_033_988_75) % 1));
}
