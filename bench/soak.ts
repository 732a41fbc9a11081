/** `soak`: loads the server at half of its capacity for minutes, and checks that its resident memory does not grow. */
import { resolvePlan } from "./plan.ts";
import { residentBytes } from "./process/resident-memory.ts";
import { createProgress } from "./report/progress.ts";
import { type Churn, sustainedPerSecond } from "./rows/capacity.ts";
import { fillSides, openRemoteSide } from "./rows/remote-side.ts";
import { createSession } from "./session.ts";
import { slope } from "./statistics.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly entries?: number;
  readonly json?: boolean;
}

const churn: Churn = { writeShare: 0.1, valueBytes: 100 };
const WINDOW_MS = 5_000;
const BUDGET_BYTES_AN_ENTRY = 160;
/** Caches, compiled code and the young generation grow at first. The check begins after that. */
const SETTLED_SHARE = 1 / 3;
/** Growth after the start that can be noise of the allocator. */
const FLAT_GROWTH_SHARE = 0.02;

/** Prints the result. False: the memory grew. */
export async function soak(options: SoakOptions): Promise<boolean> {
  const plan = resolvePlan(options.entries === undefined ? {} : { entries: options.entries });
  const windows = Math.max(6, Math.round((options.minutes * 60_000) / WINDOW_MS));
  const progress = createProgress(windows + 2);
  const session = createSession({ plan, step: (label) => progress.step(label) });
  await using side = await openRemoteSide(session, "meshcache", plan.entries * BUDGET_BYTES_AN_ENTRY);
  await fillSides(session, [side], plan.entries, churn.valueBytes);
  const perSecond = (await sustainedPerSecond(session, side, churn)) / 2;

  const samples: { x: number; y: number }[] = [];
  let failed = 0;
  let failure = "";
  const startedMs = performance.now();
  for (let window = 0; window < windows; window++) {
    const result = await side.load.call("openLoop", {
      ...churn,
      perSecond,
      durationMs: WINDOW_MS,
      seed: plan.seed + window,
    });
    failed += result.failed;
    failure ||= result.failure;
    samples.push({ x: (performance.now() - startedMs) / 60_000, y: residentBytes(side.serverPid) });
    session.step(
      `${toMebibytes(samples.at(-1)?.y)} resident, p99 ${(result.p99Micros / 1000).toFixed(2)} ms`,
    );
  }
  progress.stop();

  const settled = samples.slice(Math.floor(samples.length * SETTLED_SHARE));
  const bytesAMinute = slope(settled);
  const first = settled[0];
  const last = settled.at(-1);
  const minutes = (last?.x ?? 0) - (first?.x ?? 0);
  const growthShare = (bytesAMinute * minutes) / (first?.y ?? 1);
  const flat = growthShare <= FLAT_GROWTH_SHARE && failed === 0;
  const report = {
    minutes: options.minutes,
    operationsPerSecond: perSecond,
    failed,
    failure,
    residentBytesFirst: samples[0]?.y,
    residentBytesLast: last?.y,
    bytesAMinute,
    growthShare,
    flat,
    samples,
  };
  if (options.json) console.log(JSON.stringify(report, undefined, 2));
  else {
    console.log(
      `${options.minutes} min at ${Math.round(perSecond).toLocaleString("en")} operations/s, ${churn.writeShare * 100} % sets, ` +
        `${plan.entries.toLocaleString("en")} keys: resident ${toMebibytes(samples[0]?.y)} at first, ${toMebibytes(last?.y)} at last; ` +
        `slope ${(bytesAMinute / 2 ** 20).toFixed(2)} MiB/min over the last ${minutes.toFixed(1)} min ` +
        `(${(growthShare * 100).toFixed(1)} %), ${failed} failed${failure && ` (${failure})`}: ${flat ? "flat" : "NOT FLAT"}`,
    );
  }
  return flat;
}

const toMebibytes = (bytes = Number.NaN): string => `${Math.round(bytes / 2 ** 20)} MiB`;
