/**
 * Runs each attack of test/attack/attacks.ts against a server of its own with its default settings, and prints what it did
 * to a polite client and to the server's memory: `npm run attack [-- --quick] [--only TEXT] [--workers N] [--principal]`.
 *
 * A polite client's p99 is compared with that under a control, which burns as much CPU as the attacker and sends nothing,
 * in windows that take turns. Fails when a server ended, when it kept more memory than it may, or when the polite client
 * waited more than twice as long as under the control, or lost entries or a lease. At the end it measures the goodput of an overloaded server (A8).
 * `--principal`: over mutual TLS, and the attacker is a principal that may only read and write in some namespaces of its own.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Attack } from "../test/attack/attack.ts";
import type { ServerProcess } from "../test/fuzz/server-process.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    workers: { type: "string", default: "1" },
    principal: { type: "boolean", default: false },
  },
});

// Modules of the tests read it when they are loaded.
if (values.principal) process.env.MESHCACHE_TEST_TLS = "on";
const { environmentOf, testTls } = await import("../test/support/test-tls.ts");
const { attacks } = await import("../test/attack/attacks.ts");
const { startServerProcess } = await import("../test/fuzz/server-process.ts");

const LOAD_KINDS = ["unary", "exchange"] as const;
type LoadKind = (typeof LOAD_KINDS)[number];
const WINDOWS = values.quick ? 1 : 5;
const WINDOW_S = values.quick ? 4 : 5;
const REST_MS = 1_000;
const SAMPLE_MS = 200;
const RECOVERY_MAX_MS = 60_000;
/** Resident memory above what an idle server takes: the store's default budget, and what everything else may take. */
const BUDGET_MIB = 256;
const ABOVE_BUDGET_MIB = 192;
/** What is left after it: what the attack put into the store, and what allocators keep. */
const RATIO_MAX = 2;
/** What a neighbour's namespace may lose: a point. */
const MISSED_MAX = 0.01;
/** Below it a p99 is noise of two cores that four processes share. */
const NOISE_MS = 10;

interface Window {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly failed: number;
  /** Of its Gets, those that found no entry. */
  readonly missedShare: number;
  readonly lostLease: boolean;
}

interface Result {
  readonly attack: Attack;
  readonly attacked: readonly Window[];
  readonly control: readonly Window[];
  readonly idleMiB: number;
  readonly peakMiB: number;
  readonly afterMiB: number;
  readonly recoveryMs: number;
  readonly faults: readonly string[];
}

async function run<Output>(script: string, ...args: (string | number)[]): Promise<Output | undefined> {
  const child = spawn(process.execPath, [`test/attack/${script}.ts`, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      ...environmentOf(testTls?.folder, script === "attacker-process" ? "attacker" : "client"),
    },
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return output === "" ? undefined : JSON.parse(output);
}

function median(windows: readonly Window[], read: (window: Window) => number): number {
  const sorted = windows.map(read).sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function measure(attack: Attack): Promise<Result> {
  const server = await startServerProcess(Number(values.workers));
  await run("polite-process", server.port, 2);
  const idleMiB = server.residentMiB();
  let peakMiB = idleMiB;
  const sampler = setInterval(() => {
    peakMiB = Math.max(peakMiB, server.residentMiB());
  }, SAMPLE_MS);
  const attacked: Window[] = [];
  const control: Window[] = [];
  for (let window = 0; window < WINDOWS && server.ended === undefined; window++) {
    const [usage, polite] = await Promise.all([
      run<{ cpuShare: number }>("attacker-process", attack.name, server.port, server.adminPort, WINDOW_S),
      pause(300).then(() => run<Window>("polite-process", server.port, WINDOW_S)),
    ]);
    if (polite !== undefined) attacked.push(polite);
    await pause(REST_MS);
    const [, calm] = await Promise.all([
      run("burner-process", usage?.cpuShare ?? 1, WINDOW_S),
      pause(300).then(() => run<Window>("polite-process", server.port, WINDOW_S)),
    ]);
    if (calm !== undefined) control.push(calm);
  }
  const recovery = await recover(server, idleMiB);
  clearInterval(sampler);
  const faults = await faultsOf(server);
  await server.stop();
  return { attack, attacked, control, idleMiB, peakMiB, ...recovery, faults };
}

/** Waits until the memory is back, or its time is over. What is in the store stays, within its budget. */
async function recover(
  server: ServerProcess,
  idleMiB: number,
): Promise<{ afterMiB: number; recoveryMs: number }> {
  const beganMs = performance.now();
  const isBack = () => server.residentMiB() <= idleMiB + BUDGET_MIB / 2;
  while (!isBack() && performance.now() - beganMs < RECOVERY_MAX_MS && server.ended === undefined)
    await pause(1_000);
  return { afterMiB: server.residentMiB(), recoveryMs: performance.now() - beganMs };
}

async function faultsOf(server: ServerProcess): Promise<string[]> {
  if (server.ended !== undefined) return [server.ended];
  const faults: string[] = [];
  if (!(await server.isServing())) faults.push("it is not SERVING");
  const contained = await server.containedFaults();
  if (contained > 0) faults.push(`${contained} faults needed the boundary`);
  return faults;
}

interface Load {
  readonly goodPerSecond: number;
  readonly cpuShare: number;
}

const LOAD_CONNECTIONS = 64;
const OVERLOAD = 5;
const GOODPUT_MIN = 0.8;
/** The server needs some time to notice. */
const OVERLOAD_S = values.quick ? 6 : 10;

/** What is answered in time at five times the load that the server can bear, beside what it answers at its best. */
async function measureGoodput(kind: LoadKind): Promise<boolean> {
  const server = await startServerProcess(Number(values.workers));
  const load = (seconds: number, rate: number) =>
    run<Load>("load-process", kind, server.port, seconds, LOAD_CONNECTIONS, Math.round(rate));
  await run("polite-process", server.port, 1);
  await load(2, 0);
  const best: number[] = [];
  const good: number[] = [];
  for (let window = 0; window < WINDOWS && server.ended === undefined; window++) {
    const alone = await load(WINDOW_S, 0);
    const peak = best.at(-1) ?? alone?.goodPerSecond ?? 0;
    const overloaded = await load(OVERLOAD_S, OVERLOAD * peak);
    await pause(REST_MS);
    // The same again, with as much CPU taken away as the greater load took.
    const burnt = Math.max(0, (overloaded?.cpuShare ?? 0) - (alone?.cpuShare ?? 0));
    const [control] = await Promise.all([load(WINDOW_S, 0), run("burner-process", burnt, WINDOW_S)]);
    good.push(overloaded?.goodPerSecond ?? 0);
    best.push(control?.goodPerSecond ?? 0);
  }
  const faults = await faultsOf(server);
  await server.stop();
  const middle = (all: readonly number[]) => [...all].sort((one, other) => one - other)[all.length >> 1] ?? 0;
  const share = middle(good.map((rate, window) => rate / (best[window] ?? Number.NaN)));
  const isGood = share >= GOODPUT_MIN && faults.length === 0;
  console.log(
    `\nA8, ${kind}: ${OVERLOAD} times the load over ${LOAD_CONNECTIONS} connections: ${Math.round(middle(good))} a second in time, ` +
      `${Math.round(middle(best))} at its best under the control, ${(100 * share).toFixed(0)} % ` +
      `(bound: ${100 * GOODPUT_MIN} %): ${isGood ? "ok" : ["goodput too low", ...faults].join("; ")}`,
  );
  return isGood;
}

function verdictsOf(result: Result): string[] {
  const { idleMiB, peakMiB, faults, attacked, control, recoveryMs } = result;
  const verdicts = [...faults];
  if (peakMiB > idleMiB + BUDGET_MIB + ABOVE_BUDGET_MIB) verdicts.push("memory above its ceiling");
  if (recoveryMs >= RECOVERY_MAX_MS) verdicts.push("memory not given back");
  const p99Ms = median(attacked, (window) => window.p99Ms);
  const calmMs = median(control, (window) => window.p99Ms);
  if (!(p99Ms <= Math.max(RATIO_MAX * calmMs, NOISE_MS))) verdicts.push("a polite client starves");
  const missedShare = median(attacked, (window) => window.missedShare);
  if (missedShare > median(control, (window) => window.missedShare) + MISSED_MAX)
    verdicts.push("a polite client's entries are lost");
  if (attacked.some(({ lostLease }) => lostLease)) verdicts.push("a polite client's lease is lost");
  return verdicts;
}

function print(result: Result): void {
  const { attack, attacked, control, idleMiB, peakMiB, afterMiB } = result;
  const ms = (windows: readonly Window[]) => median(windows, (window) => window.p99Ms).toFixed(1);
  const failed = attacked.reduce((sum, window) => sum + window.failed, 0);
  const verdicts = verdictsOf(result);
  const verdict = verdicts.length === 0 ? "ok" : verdicts.join("; ");
  console.log(
    `| ${attack.line} | ${attack.name} | ${ms(attacked)} | ${ms(control)} | ${failed} | ` +
      `${idleMiB} | ${peakMiB} | ${afterMiB} | ${verdict} |`,
  );
}

console.log(
  `bounds: polite p99 at most ${RATIO_MAX} times that under the control or ${NOISE_MS} ms, memory at most ${BUDGET_MIB + ABOVE_BUDGET_MIB} MiB above idle, back in ${RECOVERY_MAX_MS / 1_000} s\n\n` +
    "| line | attack | polite p99, ms | under the control, ms | failed | idle, MiB | peak, MiB | after, MiB | verdict |\n" +
    "|---|---|---|---|---|---|---|---|---|",
);
let bad = 0;
const wanted = attacks.filter(({ name, line }) => `${line} ${name}`.includes(values.only));
for (const attack of wanted) {
  const result = await measure(attack);
  print(result);
  if (verdictsOf(result).length > 0) bad += 1;
}
const loads = LOAD_KINDS.filter((kind) => `A8 goodput ${kind}`.includes(values.only));
for (const kind of loads) if (!(await measureGoodput(kind))) bad += 1;
const total = wanted.length + loads.length;
console.log(`\n${total - bad} of ${total} attacks end well`);
process.exitCode = bad === 0 ? 0 : 1;
