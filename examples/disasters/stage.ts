/** The stage of the disasters: the world, what is said about it, and waiting for what happens in it. */
import { setTimeout as pause } from "node:timers/promises";
import { type Api, type Seen, World, WRITTEN } from "./world.ts";

/** So long a thing may take to happen on a machine that has much else to do. */
const PATIENCE_MS = 20_000;

export const world = await World.start();
/** What was not as the sentences say. */
export const faults: string[] = [];

export const time = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);

export function tell(sentence: string, seen?: Seen): void {
  if (seen === undefined) {
    console.log(sentence);
    return;
  }
  const { reads, failed, slowestMs, near, databaseReads } = seen;
  const failures = failed === 0 ? "none failed" : `${failed} failed`;
  const nearShare = Math.round((100 * near) / Math.max(1, reads));
  console.log(
    `${sentence}\n    ${reads} reads, ${failures}; ${nearShare} % from the process's own copies, ` +
      `${databaseReads} ${databaseReads === 1 ? "read" : "reads"} of the database; the slowest took ${time(slowestMs)}.`,
  );
}

export function api(at: number): Api {
  const found = world.apis[at];
  if (found === undefined) throw new Error(`there is no API ${at}`);
  return found;
}

/** How long until a read of the process sees this version. */
export async function msUntilSeen(reader: Api, version: number): Promise<number> {
  const begunAtMs = performance.now();
  for (;;) {
    const { version: seen = 0 } = await world.read(reader, WRITTEN).catch(() => ({ version: 0 }));
    if (seen >= version) return performance.now() - begunAtMs;
    await pause(5);
  }
}

export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<number> {
  const begunAtMs = performance.now();
  while (!(await isTrue())) {
    if (performance.now() - begunAtMs > PATIENCE_MS) throw new Error(`in vain: ${what}`);
    await pause(10);
  }
  return performance.now() - begunAtMs;
}

export const untilSeenByAll = (version: number) =>
  Promise.all(world.apis.map((one) => msUntilSeen(one, version))).then((ms) => Math.max(...ms));
