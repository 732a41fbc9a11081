/** Reads and writes without pause while something is done to what is between: how many fail, and how old the answers are. */
import { setTimeout as delay } from "node:timers/promises";
import type { Namespace } from "../../src/index.ts";

export interface TrafficReport {
  readonly reads: number;
  readonly failedReads: number;
  /** The longest that no read succeeded. */
  readonly outageMs: number;
  /** How old the oldest answer was: since the write that it does not show was acknowledged. */
  readonly staleMs: number;
}

/** `writer` is not behind what is disturbed; `reader` is. */
export async function trafficDuring(
  writer: Namespace<number>,
  reader: Namespace<number>,
  disturb: () => Promise<void>,
): Promise<TrafficReport> {
  /** When the write of each number was acknowledged. */
  const writtenAtMs: number[] = [];
  let over = false;
  const write = async () => {
    for (let n = 0; !over; n += 1) {
      await writer.set("n", n);
      writtenAtMs[n] = performance.now();
      await delay(10);
    }
  };
  const report = { reads: 0, failedReads: 0, outageMs: 0, staleMs: 0 };
  let lastReadAtMs = performance.now();
  const read = async () => {
    while (!over) {
      const beganAtMs = performance.now();
      report.reads += 1;
      try {
        const outcome = await reader.get("n", { deadlineMs: 1_000 });
        const nextAtMs = outcome.kind === "hit" ? writtenAtMs[outcome.value + 1] : undefined;
        if (nextAtMs !== undefined) report.staleMs = Math.max(report.staleMs, beganAtMs - nextAtMs);
        report.outageMs = Math.max(report.outageMs, performance.now() - lastReadAtMs);
        lastReadAtMs = performance.now();
      } catch {
        report.failedReads += 1;
      }
      await delay(2);
    }
  };
  const running = Promise.all([write(), read()]);
  await Promise.race([disturb(), running]);
  over = true;
  await running;
  return report;
}

/** Shown beside the test, for docs/proxies.md. */
export function printReport(what: string, report: TrafficReport): void {
  const { reads, failedReads, outageMs, staleMs } = report;
  const [outage, stale] = [outageMs, staleMs].map((ms) => `${ms.toFixed(0)} ms`);
  console.log(
    `${what}: ${reads} reads, ${failedReads} failed, longest pause ${outage}, oldest answer ${stale}`,
  );
}
