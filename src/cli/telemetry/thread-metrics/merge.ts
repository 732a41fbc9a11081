/** Merges the metrics of several threads: adds sums and histograms, and takes the greatest of gauges. */
import type { Attributes, HrTime } from "@opentelemetry/api";
import {
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";

/** Metrics of the same scope and name must have the same type. The description is that of the first thread. */
export function mergeScopes(threads: readonly (readonly ScopeMetrics[])[]): ScopeMetrics[] {
  const scopes = new Map<string, ScopeMetrics[]>();
  for (const one of threads.flat()) {
    const { name, version, schemaUrl } = one.scope;
    collect(scopes, JSON.stringify([name, version, schemaUrl]), one);
  }
  return [...scopes.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const metrics = [first, ...others].flatMap((one) => one.metrics);
    return [{ scope: first.scope, metrics: mergeMetrics(metrics) }];
  });
}

function mergeMetrics(metrics: readonly MetricData[]): MetricData[] {
  const byName = new Map<string, MetricData[]>();
  for (const metric of metrics) collect(byName, metric.descriptor.name, metric);
  return [...byName.values()].flatMap((same) => {
    const [first] = same;
    return first === undefined ? [] : [mergeOne(first, same)];
  });
}

function mergeOne(first: MetricData, same: readonly MetricData[]): MetricData {
  switch (first.dataPointType) {
    case DataPointType.SUM: {
      const points = same.flatMap((one) => (one.dataPointType === DataPointType.SUM ? one.dataPoints : []));
      return { ...first, dataPoints: mergePoints(points, (one, other) => one + other) };
    }
    case DataPointType.GAUGE: {
      const points = same.flatMap((one) => (one.dataPointType === DataPointType.GAUGE ? one.dataPoints : []));
      return { ...first, dataPoints: mergePoints(points, Math.max) };
    }
    case DataPointType.HISTOGRAM: {
      const points = same.flatMap((one) =>
        one.dataPointType === DataPointType.HISTOGRAM ? one.dataPoints : [],
      );
      return { ...first, dataPoints: mergePoints(points, addHistograms) };
    }
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      // Not used here: their buckets would differ between threads.
      return first;
    default:
      return first satisfies never;
  }
}

function mergePoints<Value>(
  points: readonly DataPoint<Value>[],
  merge: (one: Value, other: Value) => Value,
): DataPoint<Value>[] {
  const merged = new Map<string, DataPoint<Value>>();
  for (const point of points) {
    const key = attributesKey(point.attributes);
    const known = merged.get(key);
    merged.set(
      key,
      known === undefined
        ? point
        : {
            attributes: known.attributes,
            startTime: earlier(known.startTime, point.startTime),
            endTime: earlier(known.endTime, point.endTime) === known.endTime ? point.endTime : known.endTime,
            value: merge(known.value, point.value),
          },
    );
  }
  return [...merged.values()];
}

function addHistograms(one: Histogram, other: Histogram): Histogram {
  const { boundaries } = one.buckets;
  return {
    buckets: {
      boundaries,
      counts: one.buckets.counts.map((count, bucket) => count + (other.buckets.counts[bucket] ?? 0)),
    },
    count: one.count + other.count,
    ...both("sum", one.sum, other.sum, (a, b) => a + b),
    ...both("min", one.min, other.min, Math.min),
    ...both("max", one.max, other.max, Math.max),
  };
}

function both(
  name: "sum" | "min" | "max",
  one: number | undefined,
  other: number | undefined,
  merge: (one: number, other: number) => number,
): Partial<Record<typeof name, number>> {
  return one === undefined || other === undefined ? {} : { [name]: merge(one, other) };
}

/** The same key for the same attributes in any order. */
export function attributesKey(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function earlier(one: HrTime, other: HrTime): HrTime {
  return one[0] < other[0] || (one[0] === other[0] && one[1] <= other[1]) ? one : other;
}

function collect<Item>(groups: Map<string, Item[]>, key: string, item: Item): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [item]);
  else group.push(item);
}
