import { ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { createDeltas } from "../../../../src/cli/telemetry/thread-metrics/deltas.ts";
import { mergeScopes } from "../../../../src/cli/telemetry/thread-metrics/merge.ts";

const about = (name: string) => ({
  descriptor: { name, description: "", unit: "s", valueType: ValueType.DOUBLE },
  aggregationTemporality: AggregationTemporality.CUMULATIVE,
});
const at = <Value>(value: Value, attributes = {}, from = 1, to = 10): DataPoint<Value> => ({
  attributes,
  startTime: [from, 0],
  endTime: [to, 0],
  value,
});
const histogram = (...dataPoints: DataPoint<Histogram>[]): MetricData => ({
  ...about("duration"),
  dataPointType: DataPointType.HISTOGRAM,
  dataPoints,
});
const changed = (...dataPoints: DataPoint<Histogram>[]): MetricData => ({
  ...about("duration"),
  aggregationTemporality: AggregationTemporality.DELTA,
  dataPointType: DataPointType.HISTOGRAM,
  dataPoints,
});
const gauge = (...dataPoints: DataPoint<number>[]): MetricData => ({
  ...about("lag"),
  dataPointType: DataPointType.GAUGE,
  dataPoints,
});
const sum = (...dataPoints: DataPoint<number>[]): MetricData => ({
  ...about("calls"),
  dataPointType: DataPointType.SUM,
  isMonotonic: true,
  dataPoints,
});
const scope = (...metrics: MetricData[]): ScopeMetrics => ({ scope: { name: "meshcache" }, metrics });

/** A histogram of durations, with bounds at 1 and 2. */
const of = (...seconds: number[]): Histogram => ({
  buckets: {
    boundaries: [1, 2],
    counts: [
      seconds.filter((one) => one <= 1).length,
      seconds.filter((one) => one > 1 && one <= 2).length,
      seconds.filter((one) => one > 2).length,
    ],
  },
  count: seconds.length,
  sum: seconds.reduce((total, one) => total + one, 0),
  min: Math.min(...seconds),
  max: Math.max(...seconds),
});

describe("mergeScopes()", () => {
  it("adds the histograms with the same attributes, in any order", () => {
    const one = scope(histogram(at(of(0.5, 3), { a: "1", b: "2" }), at(of(1.5), { a: "2" })));
    const other = scope(histogram(at(of(0.25), { b: "2", a: "1" }), at(of(4), { a: "3" })));
    expect(mergeScopes([[one], [other]])).toEqual([
      scope(
        histogram(at(of(0.5, 3, 0.25), { a: "1", b: "2" }), at(of(1.5), { a: "2" }), at(of(4), { a: "3" })),
      ),
    ]);
  });

  it("adds sums, and takes the greatest of gauges", () => {
    const threads = [3, 7, 5].map((value) => [scope(sum(at(value)), gauge(at(value)))]);
    expect(mergeScopes(threads)).toEqual([scope(sum(at(15)), gauge(at(7)))]);
  });

  it("spans from the earliest start to the latest end", () => {
    const [merged] = mergeScopes([[scope(sum(at(1, {}, 5, 9)))], [scope(sum(at(1, {}, 3, 12)))]]);
    expect(merged?.metrics).toEqual([sum(at(2, {}, 3, 12))]);
  });

  it("keeps scopes apart, and metrics that only one thread has", () => {
    const other: ScopeMetrics = { scope: { name: "other" }, metrics: [sum(at(1))] };
    expect(mergeScopes([[scope(sum(at(1)))], [], [other]])).toEqual([scope(sum(at(1))), other]);
    expect(mergeScopes([])).toEqual([]);
  });

  it("does not change its input", () => {
    const one = scope(histogram(at(of(1))));
    const before = structuredClone(one);
    mergeScopes([[one], [scope(histogram(at(of(2))))]]);
    expect(one).toEqual(before);
  });
});

describe("createDeltas()", () => {
  it("returns what is new in each series, and nothing of a series that did not change", () => {
    const changes = createDeltas();
    const points = [at(of(0.5), { a: "1" }), at(of(3), { a: "2" })];
    expect(changes([scope(histogram(...points))])).toEqual([scope(changed(...points))]);

    const { min, max, ...since } = of(1.5, 1.5);
    const later = [at(of(0.5, 1.5, 1.5), { a: "1" }, 1, 20), at(of(3), { a: "2" }, 1, 20)];
    expect(changes([scope(histogram(...later))])).toEqual([scope(changed(at(since, { a: "1" }, 10, 20)))]);
  });

  it("does not change gauges, and keeps the readers apart", () => {
    const totals = [scope(gauge(at(3)), histogram(at(of(1))))];
    const [one, other] = [createDeltas(), createDeltas()];
    one(totals);
    expect(one(totals)).toEqual([scope(gauge(at(3)), changed())]);
    expect(other(totals)).toEqual([scope(gauge(at(3)), changed(at(of(1))))]);
  });
});
