/** Replays a trace as calls to a server, and describes the result for people and for programs. */
import { plural, toCount, toShare } from "../output/text.ts";
import { type ReplayParts, replayTrace } from "./cache-aside.ts";
import type { ReplayPlan } from "./plan.ts";
import { createTally, type ReplayCounts } from "./tally.ts";
import {
  describeTraffic,
  type Traffic,
  toJsonPlan,
  toJsonRates,
  toThroughputRow,
  toWritesRow,
} from "./traffic.ts";

export function createCallTraffic(
  plan: ReplayPlan,
  seed: number,
  parts: Omit<ReplayParts, "tally">,
  onProgress: () => void,
): Traffic {
  const tally = createTally(onProgress);
  const { counts, latencies } = tally;
  const { batch } = plan;
  return {
    run: () => replayTrace(plan, { ...parts, tally }),
    progress: () => counts,
    coherent: () => counts.stale + counts.wrong === 0,
    toJson: (seconds) => ({
      ...toJsonPlan(plan, seed),
      batch,
      ...counts,
      hitRatio: counts.reads === 0 ? 0 : counts.hits / counts.reads,
      ...toJsonRates(counts.accesses, seconds),
      latency: latencies.toJson(),
    }),
    describe: (seconds) =>
      describeTraffic(
        plan,
        seed,
        batch === 1 ? "one access a call" : `batches of ${batch}`,
        toRows(counts, seconds),
        latencies.toLines(),
      ),
    close: async () => {},
  };
}

function toRows(counts: Readonly<ReplayCounts>, seconds: number): string[][] {
  const { hits, reads, filled, lost, shared, bypassed, refused, stale, checked, wrong } = counts;
  const wrongToo = wrong === 0 ? "" : ` · ${toCount(wrong)} wrong`;
  return [
    ["hit ratio", toShare(hits, reads), `${toCount(hits)} of ${plural(reads, "read")}`],
    toThroughputRow(counts.accesses, seconds),
    [
      "fills",
      toCount(filled),
      `${toCount(lost)} lost to an invalidation · ${toCount(shared)} shared · ${toCount(bypassed)} bypassed · ${toCount(refused)} refused`,
    ],
    toWritesRow(counts),
    ["stale reads", toCount(stale), `of ${toCount(checked)} values checked${wrongToo}`],
  ];
}
