/**
 * Measures one attack: what it does to a polite client and to the memory of a server of its own.
 *
 * The polite client's p99 is compared with that under a control, in windows that take turns. In a window of the control
 * nothing is sent, and as much processor time is burnt as the attack took, in the same parts of the window and where the attack took it:
 * that of the attacker, and of the server's helpers, in processes of their own, and that of the thread that serves, beyond what it
 * takes for the polite client alone, in that thread, in slices of a millisecond (thread-burner.ts). So the control is a server that
 * does as much work and divides its thread well; what the attacked server adds is how it divides it, and its pauses.
 *
 * Burnt beside the thread that serves, the same time is no control: where no core is idle, a thread that has had much of the
 * processor waits for it, and one that slept gets it at once, whatever they do with it. The comparison would ask
 * the server for what no program can do that answers what it is asked. A server whose turns are long is as far from this control as from
 * that one: `npm run attack -- --serve --turn-max-bytes=1GiB` makes one, and fails.
 *
 * The first window of the attack is not compared: until then nobody has run the code that it runs, and V8 compiles it beside the
 * thread that serves.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type ServerProcess, startServerProcess } from "../fuzz/server-process.ts";
import { cpuMs, helpersCpuMs } from "../support/process-cpu.ts";
import type { Attack } from "./attack.ts";
import { burn, burnInThreads, run, start } from "./processes.ts";
import { beyond, type Course, follow } from "./processor-course.ts";
import { BURN_SOCKET } from "./thread-burner.ts";

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

/** What a window of the attack took of the processor. */
interface Courses {
  readonly attacker: Course;
  readonly helpers: Course;
  readonly threads: Course;
}

interface Attacked {
  readonly window: Window | undefined;
  readonly courses: Courses;
}

export async function measure(attack: Attack, options: MeasurementOptions): Promise<Measurement> {
  const { workers, settings, windows, windowS } = options;
  const folder = await mkdtemp(join(tmpdir(), "meshcache-burn-"));
  const socket = join(folder, "thread");
  const env = {
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${new URL("thread-burner.ts", import.meta.url)}`,
    [BURN_SOCKET]: socket,
  };
  const server = await startServerProcess(workers, { settings, env });
  await run("polite", server.port, 2);
  const idleMiB = server.residentMiB();
  let peakMiB = idleMiB;
  const sampler = setInterval(() => {
    peakMiB = Math.max(peakMiB, server.residentMiB());
  }, SAMPLE_MS);
  const attacked: Window[] = [];
  const control: Window[] = [];
  const threadsMs = () => cpuMs(server.pid) - helpersCpuMs(server.pid);
  const before = threadsMs();
  await polite(server, windowS);
  const aloneShare = (threadsMs() - before) / (HEAD_START_MS + 1_000 * windowS);
  for (let window = 0; window <= windows && server.ended === undefined; window++) {
    const hit = await attackOnce(attack, server, windowS);
    await pause(REST_MS);
    if (window === 0 || server.ended !== undefined) continue;
    if (hit.window !== undefined) attacked.push(hit.window);
    const { attacker, helpers, threads } = hit.courses;
    const [calm] = await Promise.all([
      polite(server, windowS),
      burn([attacker, helpers]),
      burnInThreads(socket, workers, beyond(threads, aloneShare)),
    ]);
    if (calm !== undefined) control.push(calm);
  }
  const recovery = await recover(server, idleMiB, options);
  clearInterval(sampler);
  const faults = await faultsOf(server);
  await server.stop();
  await rm(folder, { recursive: true });
  return { attack, attacked, control, idleMiB, peakMiB, ...recovery, faults };
}

async function attackOnce(attack: Attack, server: ServerProcess, windowS: number): Promise<Attacked> {
  const { pid, port, adminPort } = server;
  const attacker = start("attacker", attack.name, port, adminPort, windowS);
  const courses = [
    follow(() => cpuMs(attacker.pid)),
    follow(() => helpersCpuMs(pid)),
    follow(() => cpuMs(pid) - helpersCpuMs(pid)),
  ] as const;
  const [window] = await Promise.all([polite(server, windowS), attacker.output]);
  const [ofAttacker, ofHelpers, ofThreads] = courses;
  return { window, courses: { attacker: ofAttacker(), helpers: ofHelpers(), threads: ofThreads() } };
}

async function polite({ port }: ServerProcess, windowS: number): Promise<Window | undefined> {
  await pause(HEAD_START_MS);
  return await run<Window>("polite", port, windowS);
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
