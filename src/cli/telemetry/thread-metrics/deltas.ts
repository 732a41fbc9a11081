/** Makes deltas of cumulative histograms, for a collector that wants only what is new since the last export. */
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import { attributesKey } from "./merge.ts";

/** The returned function remembers the last totals of each series, so each reader needs one of its own. */
export function createDeltas(): (scopes: readonly ScopeMetrics[]) => ScopeMetrics[] {
  const lastPoints = new Map<string, DataPoint<Histogram>>();
  const since = (metric: MetricData, scope: string): MetricData => {
    if (metric.dataPointType !== DataPointType.HISTOGRAM) return metric;
    const dataPoints = metric.dataPoints.flatMap((point) => {
      const series = JSON.stringify([scope, metric.descriptor.name, attributesKey(point.attributes)]);
      const before = lastPoints.get(series);
      lastPoints.set(series, point);
      if (before === undefined) return [point];
      return point.value.count === before.value.count ? [] : [subtract(point, before)];
    });
    return { ...metric, aggregationTemporality: AggregationTemporality.DELTA, dataPoints };
  };
  return (scopes) =>
    scopes.map(({ scope, metrics }) => ({ scope, metrics: metrics.map((one) => since(one, scope.name)) }));
}

/** Without minimum and maximum, which are unknown for the time since the last export. */
function subtract(point: DataPoint<Histogram>, before: DataPoint<Histogram>): DataPoint<Histogram> {
  const { buckets, count, sum } = point.value;
  return {
    ...point,
    startTime: before.endTime,
    value: {
      buckets: {
        boundaries: buckets.boundaries,
        counts: buckets.counts.map((total, bucket) => total - (before.value.buckets.counts[bucket] ?? 0)),
      },
      count: count - before.value.count,
      ...(sum === undefined ? {} : { sum: sum - (before.value.sum ?? 0) }),
    },
  };
}
