/** Makes of totals what came since the last time, for a collector that wants to be told no more. */
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import { attributesKey } from "./merge.ts";

/** What was told of each series so far is kept in the returned function: one of it for each reader. */
export function createChanges(): (scopes: readonly ScopeMetrics[]) => ScopeMetrics[] {
  const told = new Map<string, DataPoint<Histogram>>();
  const since = (metric: MetricData, scope: string): MetricData => {
    if (metric.dataPointType !== DataPointType.HISTOGRAM) return metric;
    const dataPoints = metric.dataPoints.flatMap((point) => {
      const series = JSON.stringify([scope, metric.descriptor.name, attributesKey(point.attributes)]);
      const before = told.get(series);
      told.set(series, point);
      if (before === undefined) return [point];
      return point.value.count === before.value.count ? [] : [subtract(point, before)];
    });
    return { ...metric, aggregationTemporality: AggregationTemporality.DELTA, dataPoints };
  };
  return (scopes) =>
    scopes.map(({ scope, metrics }) => ({ scope, metrics: metrics.map((one) => since(one, scope.name)) }));
}

/** The least and the greatest of a part cannot be told from those of the whole. */
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
