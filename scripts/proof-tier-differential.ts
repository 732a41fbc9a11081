/**
 * Random commands on the library of the shared tier, on a real engine, and on an embedded shard: every answer, event and revision must be
 * the same. `--runs N` (2,000), `--commands N` of each (200), `--engine redis|valkey` (those that are installed), `--seed S`.
 */
import { parseArgs } from "node:util";
import { EngineCluster } from "../test/support/engine/engine-cluster.ts";
import { ENGINES, engineProgram } from "../test/support/engine/programs.ts";
import { loadLibrary, manualLibrary } from "../test/support/engine/test-library.ts";
import { compareRandomly } from "../test/tier/library/random-runs.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "2000" },
    commands: { type: "string", default: "200" },
    engine: { type: "string" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const [runs, commandsPerRun, seed] = [values.runs, values.commands, values.seed].map(Number);
if (!runs || !commandsPerRun || seed === undefined || !Number.isInteger(seed)) {
  throw new Error("--runs, --commands and --seed must be whole numbers");
}

const engines = ENGINES.filter((engine) => (values.engine ?? engine) === engine);
const installed = engines.filter((engine) => engineProgram(engine) !== undefined);
if (installed.length === 0 || (values.engine === undefined && process.env.TIER_ENGINES === "required")) {
  if (installed.length < engines.length) throw new Error("an engine is not installed");
}
for (const engine of installed) {
  await using cluster = await EngineCluster.start({ engine });
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error("a cluster has a node");
  await using connection = await node.connect();
  await loadLibrary(connection, manualLibrary());
  const begunMs = performance.now();
  const seen = await compareRandomly(connection, { runs, commandsPerRun, seed });
  const seconds = (performance.now() - begunMs) / 1_000;
  console.log(
    `${engine}: ${runs} runs of ${commandsPerRun} commands from seed ${seed} in ${seconds.toFixed(0)} s, no difference`,
  );
  console.log([...seen].map(([outcome, times]) => `${outcome}: ${times}`).join(", "));
}
