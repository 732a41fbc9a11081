/**
 * Mutated connections and the attacks of `npm run attack` in turns against one server:
 * `npm run proof:endurance [-- --minutes N] [--seed S] [--workers N]`. Fails when it is another process at the end, is not SERVING, a callback
 * threw, or its memory does not come back to what it was after the first round, whose entries and buffers it keeps.
 */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { attacks } from "../test/attack/attacks.ts";
import { run } from "../test/attack/processes.ts";
import { runConnection } from "../test/fuzz/mutated-connections.ts";
import { type ServerProcess, startServerProcess } from "../test/fuzz/server-process.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    workers: { type: "string", default: "2" },
  },
});

const FUZZ_MS = 60_000;
const CONCURRENT = 32;
const ATTACK_S = 5;
const RECOVERY_MAX_MS = 60_000;
/** The store's default budget, which attacks fill, and what everything else may take. */
const ABOVE_IDLE_MIB = 256 + 192;
/** What allocators may keep from one round to the next. */
const GROWTH_MAX_MIB = 64;

let nextSeed = Number(values.seed);
let connections = 0;

async function fuzz(server: ServerProcess): Promise<void> {
  const untilMs = performance.now() + FUZZ_MS;
  const work = async (): Promise<void> => {
    while (performance.now() < untilMs && server.ended === undefined) {
      connections += 1;
      await runConnection(server.port, nextSeed++ % 2 ** 32);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, work));
}

/** What it takes when it has had a minute to give memory back, or has given back all that it took since. */
async function restingMiB(server: ServerProcess, enoughMiB: number): Promise<number> {
  const untilMs = performance.now() + RECOVERY_MAX_MS;
  while (server.residentMiB() > enoughMiB && performance.now() < untilMs && server.ended === undefined)
    await pause(1_000);
  return server.residentMiB();
}

async function faultsOf(server: ServerProcess): Promise<string[]> {
  if (server.ended !== undefined) return [server.ended];
  const contained = await server.containedFaults();
  return [
    ...((await server.isServing()) ? [] : ["it is not SERVING"]),
    ...(contained > 0 ? [`${contained} callbacks threw`] : []),
    ...server.errors.slice(0, 20),
  ];
}

const server = await startServerProcess(Number(values.workers));
console.log(`seed ${values.seed}`);
const idleMiB = server.residentMiB();
let peakMiB = idleMiB;
const sampler = setInterval(() => {
  peakMiB = Math.max(peakMiB, server.residentMiB());
}, 200);
const endMs = performance.now() + 60_000 * Number(values.minutes);
const faults: string[] = [];
let firstMiB: number | undefined;
let rounds = 0;
while (faults.length === 0 && (rounds < 2 || performance.now() < endMs)) {
  rounds += 1;
  await fuzz(server);
  for (const attack of attacks) {
    if (server.ended !== undefined) break;
    await run("attacker", attack.name, server.port, server.adminPort, ATTACK_S);
  }
  const restMiB = await restingMiB(server, firstMiB ?? idleMiB);
  firstMiB ??= restMiB;
  faults.push(...(await faultsOf(server)));
  if (restMiB > firstMiB + GROWTH_MAX_MIB) faults.push(`it keeps ${restMiB} MiB`);
  if (peakMiB > idleMiB + ABOVE_IDLE_MIB) faults.push(`it took ${peakMiB} MiB`);
  console.log(
    `round ${rounds}: ${connections} mutated connections so far, ${attacks.length} attacks; ` +
      `resident ${restMiB} MiB, ${idleMiB} at the start, at most ${peakMiB}`,
  );
}
clearInterval(sampler);
await server.stop();
for (const fault of faults) console.error(fault);
console.log(
  faults.length === 0
    ? `the same process is SERVING after ${rounds} rounds`
    : `found something, seed ${values.seed}`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
