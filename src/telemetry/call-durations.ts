/**
 * A histogram of the durations of calls, by method and status. The histogram of the SDK sorts and serializes the attributes of
 * every call for each of its readers, which is a tenth of the cost of a small call. `cli/telemetry`
 * gives these series to the SDK's readers instead.
 */
import type { Attributes } from "@opentelemetry/api";
import { CALL_DURATION_BOUNDS_S } from "./instruments.ts";

/** The calls of one method that ended with one status. */
export class DurationSeries {
  readonly attributes: Attributes;
  /** Calls by bucket: bucket n holds those above boundary n - 1 and up to boundary n. The last one has no upper boundary. */
  readonly bucketCounts: number[] = Array.from({ length: CALL_DURATION_BOUNDS_S.length + 1 }, () => 0);
  count = 0;
  sumS = 0;
  minS = Number.POSITIVE_INFINITY;
  maxS = Number.NEGATIVE_INFINITY;

  constructor(attributes: Attributes) {
    this.attributes = attributes;
  }

  record(durationS: number): void {
    let bucket = 0;
    // A linear search is fastest: most calls are short, and there are few boundaries.
    while (durationS > (CALL_DURATION_BOUNDS_S[bucket] ?? Number.POSITIVE_INFINITY)) bucket += 1;
    this.bucketCounts[bucket] = (this.bucketCounts[bucket] ?? 0) + 1;
    this.count += 1;
    this.sumS += durationS;
    this.minS = Math.min(this.minS, durationS);
    this.maxS = Math.max(this.maxS, durationS);
  }
}

export interface CallDurations {
  readonly all: readonly DurationSeries[];
  /** Adds a series. Call it once for each set of attributes. */
  series(attributes: Attributes): DurationSeries;
}

export function createCallDurations(): CallDurations {
  const all: DurationSeries[] = [];
  return {
    all,
    series(attributes) {
      const added = new DurationSeries(attributes);
      all.push(added);
      return added;
    },
  };
}
