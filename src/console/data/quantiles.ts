/** Quantiles of the durations of calls between two readings of their histogram. */
import type { ActivityResponse } from "../../../gen/meshcache/v1/admin_pb.ts";

export interface DurationCounts {
  /** Upper bounds in seconds; the last bucket has none. */
  readonly boundsS: readonly number[];
  readonly counts: readonly number[];
}

/** A stream lasts as long as its client, and the page's own calls are not traffic. */
const MEASURED = /CacheService\/(?!Stream$|Exchange$)/;

/** The unary calls of all methods and statuses together. */
export function unaryDurations({ calls, bucketBoundsS }: ActivityResponse): DurationCounts {
  const counts: number[] = new Array(bucketBoundsS.length + 1).fill(0);
  for (const call of calls) {
    if (!MEASURED.test(call.method)) continue;
    call.bucketCounts.forEach((count, bucket) => {
      counts[bucket] = (counts[bucket] ?? 0) + Number(count);
    });
  }
  return { boundsS: bucketBoundsS, counts };
}

/** What came between the two. Undefined when the counters began anew. */
export function durationsBetween(before: DurationCounts, after: DurationCounts): DurationCounts | undefined {
  const counts = after.counts.map((count, bucket) => count - (before.counts[bucket] ?? 0));
  return counts.some((count) => count < 0) ? undefined : { boundsS: after.boundsS, counts };
}

/**
 * In seconds, interpolated within its bucket as Prometheus does (`histogram_quantile`); in the last bucket its lower
 * bound. NaN without calls.
 */
export function quantileOf({ boundsS, counts }: DurationCounts, share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return Number.NaN;
  const rank = share * total;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    const lower = bucket === 0 ? 0 : (boundsS[bucket - 1] ?? 0);
    const upper = boundsS[bucket];
    if (below + count >= rank && count > 0) {
      return upper === undefined ? lower : lower + ((upper - lower) * (rank - below)) / count;
    }
    below += count;
  }
  return boundsS.at(-1) ?? Number.NaN;
}
