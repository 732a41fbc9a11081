/**
 * Measures one attack: what it does to a polite client and to the memory of a server of its own.
 *
 * The polite client's p99 is compared with that under a control, in windows that take turns. In a window of the control
 * nothing is sent, and as much processor time is burnt as the attack took, in the same parts of the window: that of the attacker,
 * and that of the server beyond what it takes for the polite client alone. Each is burnt in a process of its own, and the
 * kernel divides the cores between them as it does in the attack. So the control shows what a client of an idle server waits
 * for on a machine that is as busy; what the attacked server adds is how it divides its own thread, and its pauses.
 *
 * The server's share has to be in the control: on a machine without idle cores a polite client waits for the processor
 * longer when three programs are busy than when two are, whatever the server does. It is not burnt in the server's own
 * thread: then every server, however unfair, would be compared with one whose thread is as busy as its own.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type ServerProcess, startServerProcess } from "../fuzz/server-process.ts";
import type { Attack } from "./attack.ts";
import { burn, run, start } from "./processes.ts";
import { beyond, follow } from "./processor-course.ts";

export interface Window {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Of its Gets, those that failed, and those that found no entry. */
  readonly failedShare: number;
  readonly missedShare: number;
  readonly lostLease: boolean;
}

export interface Measurement {
  readonly attack: Attack;
  readonly attacked: readonly Window[];
  readonly control: readonly Window[];
  readonly idleMiB: number;
  readonly peakMiB: number;
  readonly afterMiB: number;
  readonly recoveryMs: number;
  readonly faults: readonly string[];
}

export interface MeasurementOptions {
  readonly workers: number;
  /** Arguments of `serve`. */
  readonly settings: readonly string[];
  readonly windows: number;
  readonly windowS: number;
  /** What is in the store stays, and allocators keep something: so much more than idle is back to normal. */
  readonly keptMaxMiB: number;
  readonly recoveryMaxMs: number;
}

const REST_MS = 1_000;
/** The attack has begun when the polite client does. */
const HEAD_START_MS = 300;
const SAMPLE_MS = 200;

export async function measure(attack: Attack, options: MeasurementOptions): Promise<Measurement> {
  const { workers, settings, windows, windowS } = options;
  const server = await startServerProcess(workers, { settings });
  await run("polite", server.port, 2);
  const idleMiB = server.residentMiB();
  let peakMiB = idleMiB;
  const sampler = setInterval(() => {
    peakMiB = Math.max(peakMiB, server.residentMiB());
  }, SAMPLE_MS);
  const attacked: Window[] = [];
  const control: Window[] = [];
  const polite = async (): Promise<Window | undefined> => {
    await pause(HEAD_START_MS);
    return await run<Window>("polite", server.port, windowS);
  };
  const before = server.cpuMs();
  await polite();
  const aloneShare = (server.cpuMs() - before) / (HEAD_START_MS + 1_000 * windowS);
  for (let window = 0; window < windows && server.ended === undefined; window++) {
    const attacker = start("attacker", attack.name, server.port, server.adminPort, windowS);
    const courses = [follow(attacker.pid), follow(server.pid)] as const;
    const [hit] = await Promise.all([polite(), attacker.output]);
    const [spent, served] = [courses[0](), courses[1]()];
    if (hit !== undefined) attacked.push(hit);
    await pause(REST_MS);
    const [calm] = await Promise.all([polite(), burn([spent, beyond(served, aloneShare)])]);
    if (calm !== undefined) control.push(calm);
  }
  const recovery = await recover(server, idleMiB, options);
  clearInterval(sampler);
  const faults = await faultsOf(server);
  await server.stop();
  return { attack, attacked, control, idleMiB, peakMiB, ...recovery, faults };
}

/** Waits until the memory is back, or its time is over. What is in the store stays, within its budget. */
async function recover(
  server: ServerProcess,
  idleMiB: number,
  { keptMaxMiB, recoveryMaxMs }: MeasurementOptions,
): Promise<{ afterMiB: number; recoveryMs: number }> {
  const beganMs = performance.now();
  const isBack = () => server.residentMiB() <= idleMiB + keptMaxMiB;
  while (!isBack() && performance.now() - beganMs < recoveryMaxMs && server.ended === undefined)
    await pause(1_000);
  return { afterMiB: server.residentMiB(), recoveryMs: performance.now() - beganMs };
}

export async function faultsOf(server: ServerProcess): Promise<string[]> {
  if (server.ended !== undefined) return [server.ended];
  const faults: string[] = [];
  if (!(await server.isServing())) faults.push("it is not SERVING");
  const contained = await server.containedFaults();
  if (contained > 0) faults.push(`${contained} faults needed the boundary`);
  return faults;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
