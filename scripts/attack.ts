/**
 * Runs each attack of test/attack/attacks.ts against a server of its own with its default settings, and prints what it did
 * to a polite client and to the server's memory: `npm run attack [-- --quick] [--only TEXT] [--workers N]
 * [--principal] [--quota] [--serve ARGUMENT]…`.
 *
 * Fails when a server ended, when it kept more memory than it may, or when the polite client waited more than twice as long
 * as under a control that burns as much processor time (test/attack/measurement.ts says what that is), when its calls failed,
 * or when it lost entries or a lease. At the end it measures the goodput of an overloaded server (A8).
 *
 * `--principal`: over mutual TLS, and the attacker is a principal that may only read and write in some namespaces of its own.
 * `--quota`: the same, and the policy bounds how much the attacker may use. What it may use it uses: it is within its quota.
 * `--serve` passes an argument to the server. An unfair server has to fail: `--serve --turn-max-bytes=1GiB` makes one, whose
 * turns end with the work that there is.
 */
import { parseArgs } from "node:util";
import type { Measurement, Window } from "../test/attack/measurement.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    workers: { type: "string", default: "1" },
    principal: { type: "boolean", default: false },
    quota: { type: "boolean", default: false },
    serve: { type: "string", multiple: true, default: [] },
  },
});

// Modules of the tests read it when they are loaded.
if (values.principal || values.quota) process.env.MESH_TEST_TLS = "on";
if (values.quota) process.env.MESH_TEST_QUOTA = "on";
const { attacks } = await import("../test/attack/attacks.ts");
const { LOAD_KINDS, measureGoodput } = await import("../test/attack/goodput.ts");
const { measure, median } = await import("../test/attack/measurement.ts");

/** Resident memory above what an idle server takes: the store's default budget, and what everything else may take. */
const BUDGET_MIB = 256;
const ABOVE_BUDGET_MIB = 192;
const RATIO_MAX = 2;
/** Below it a p99 is noise of two cores that four processes share. */
const NOISE_MS = 10;
/** What a neighbour's namespace may lose: a point. */
const MISSED_MAX = 0.01;
const FAILED_MAX = 0.001;
const GOODPUT_MIN = 0.8;

const shared = {
  workers: Number(values.workers),
  settings: values.serve,
  windows: values.quick ? 1 : 5,
  windowS: values.quick ? 4 : 5,
};
/** What is left after an attack: what it put into the store, and what allocators keep. */
const measured = { ...shared, keptMaxMiB: BUDGET_MIB / 2, recoveryMaxMs: 60_000 };
/** An overloaded server needs some time to notice. */
const loaded = { ...shared, overloadS: values.quick ? 6 : 10, overload: 5, connections: 64 };

function of(windows: readonly Window[], read: (window: Window) => number): number {
  return median(windows.map(read));
}

function verdictsOf({ idleMiB, peakMiB, faults, attacked, control, recoveryMs }: Measurement): string[] {
  const verdicts = [...faults];
  if (peakMiB > idleMiB + BUDGET_MIB + ABOVE_BUDGET_MIB) verdicts.push("memory above its ceiling");
  if (recoveryMs >= measured.recoveryMaxMs) verdicts.push("memory not given back");
  const p99Ms = of(attacked, (window) => window.p99Ms);
  const calmMs = of(control, (window) => window.p99Ms);
  if (!(p99Ms <= Math.max(RATIO_MAX * calmMs, NOISE_MS))) verdicts.push("a polite client starves");
  if (!(of(attacked, (window) => window.failedShare) <= FAILED_MAX))
    verdicts.push("a polite client's calls fail");
  const missedMax = of(control, (window) => window.missedShare) + MISSED_MAX;
  if (of(attacked, (window) => window.missedShare) > missedMax)
    verdicts.push("a polite client's entries are lost");
  if (attacked.some(({ lostLease }) => lostLease)) verdicts.push("a polite client's lease is lost");
  return verdicts;
}

function toRow(measurement: Measurement): string {
  const { attack, attacked, control, idleMiB, peakMiB, afterMiB } = measurement;
  const p99 = (windows: readonly Window[]) => of(windows, (window) => window.p99Ms).toFixed(1);
  const failed = (100 * of(attacked, (window) => window.failedShare)).toFixed(1);
  const verdict = verdictsOf(measurement).join("; ") || "ok";
  const cells = [
    attack.line,
    attack.name,
    p99(attacked),
    p99(control),
    failed,
    idleMiB,
    peakMiB,
    afterMiB,
    verdict,
  ];
  return `| ${cells.join(" | ")} |`;
}

console.log(
  `bounds: polite p99 at most ${RATIO_MAX} times that under the control or ${NOISE_MS} ms, memory at most ${BUDGET_MIB + ABOVE_BUDGET_MIB} MiB above idle, back in ${measured.recoveryMaxMs / 1_000} s\n\n` +
    "| line | attack | polite p99, ms | under the control, ms | failed, % | idle, MiB | peak, MiB | after, MiB | verdict |\n" +
    "|---|---|---|---|---|---|---|---|---|",
);
let bad = 0;
const wanted = attacks.filter(({ name, line }) => `${line} ${name}`.includes(values.only));
for (const attack of wanted) {
  const measurement = await measure(attack, measured);
  console.log(toRow(measurement));
  if (verdictsOf(measurement).length > 0) bad += 1;
}
const loads = LOAD_KINDS.filter((kind) => `A8 goodput ${kind}`.includes(values.only));
for (const kind of loads) {
  const { goodPerSecond, bestPerSecond, share, faults } = await measureGoodput(kind, loaded);
  const verdicts = [...(share >= GOODPUT_MIN ? [] : ["goodput too low"]), ...faults];
  if (verdicts.length > 0) bad += 1;
  console.log(
    `\nA8, ${kind}: ${loaded.overload} times the load over ${loaded.connections} connections: ${Math.round(goodPerSecond)} a second in time, ` +
      `${Math.round(bestPerSecond)} at its best under the control, ${(100 * share).toFixed(0)} % ` +
      `(bound: ${100 * GOODPUT_MIN} %): ${verdicts.join("; ") || "ok"}`,
  );
}
const total = wanted.length + loads.length;
console.log(`\n${total - bad} of ${total} attacks end well`);
process.exitCode = bad === 0 ? 0 : 1;
