/**
 * Starts a cluster of an engine for development, on the loopback: `--engine redis|valkey` (redis), `--primaries N` (3), `--replicas N` of
 * each (1). Prints its nodes and runs until Ctrl-C or `npm run tier:down`; then nothing of it is left.
 */
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { EngineCluster } from "../test/support/engine/engine-cluster.ts";
import { ENGINES } from "../test/support/engine/programs.ts";
import { RUNNING_FILE } from "./tier-running.ts";

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "redis" },
    primaries: { type: "string", default: "3" },
    replicas: { type: "string", default: "1" },
  },
});

function count(name: "primaries" | "replicas", min: number): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < min || value > 16)
    throw new Error(`--${name} must be ${min} to 16`);
  return value;
}

const engine = ENGINES.find((one) => one === values.engine);
if (engine === undefined) throw new Error(`--engine must be one of ${ENGINES.join(", ")}`);
const primaries = count("primaries", 1);
/** As `meshcache tier check` wants it. A node is told of a replica after the first ping of its primary. */
const settings = [
  ["client-output-buffer-limit", "pubsub 268435456 67108864 60"],
  ["repl-ping-replica-period", "1"],
] as const;
const options = { engine, primaries, replicas: count("replicas", 0), settings };

const ended = Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
await using cluster = await EngineCluster.start(options);
mkdirSync(dirname(RUNNING_FILE), { recursive: true });
writeFileSync(RUNNING_FILE, String(process.pid));
for (const [index, node] of cluster.nodes.entries()) {
  const role = index < primaries ? "primary" : `replica of ${cluster.addresses[index % primaries]}`;
  console.log(`127.0.0.1:${node.port}  process ${node.pid}  ${role}`);
}
console.log(`valkey://${cluster.addresses.slice(0, primaries).join(",")}`);
console.log("Ctrl-C or npm run tier:down ends it.");
await ended;
rmSync(RUNNING_FILE, { force: true });
