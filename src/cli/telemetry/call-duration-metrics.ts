/** Gives the durations of calls to the readers of the SDK, as a histogram. */

import { type HrTime, ValueType } from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricProducer,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import type { CallDurations, DurationSeries } from "../../telemetry/call-durations.ts";
import { SCOPE } from "../../telemetry/conventions.ts";
import { CALL_DURATION_BOUNDS_S, instruments } from "../../telemetry/instruments.ts";
import { createDeltas } from "./thread-metrics/deltas.ts";

/** A producer for one reader. */
export function createCallDurationProducer(
  durations: CallDurations,
  temporality: AggregationTemporality,
): MetricProducer {
  const startTime = toHrTime(Date.now());
  const toDeltas = createDeltas();
  return {
    async collect() {
      const totals = toScopes(durations.all, startTime, toHrTime(Date.now()));
      return {
        resourceMetrics: {
          // Readers ignore it and use their own.
          resource: emptyResource(),
          scopeMetrics: temporality === AggregationTemporality.DELTA ? toDeltas(totals) : totals,
        },
        errors: [],
      };
    },
  };
}

function toScopes(all: readonly DurationSeries[], startTime: HrTime, endTime: HrTime): ScopeMetrics[] {
  if (all.length === 0) return [];
  const { name, unit, description } = instruments.callDuration;
  return [
    {
      scope: { name: SCOPE },
      metrics: [
        {
          descriptor: {
            name,
            unit,
            description,
            valueType: ValueType.DOUBLE,
          },
          aggregationTemporality: AggregationTemporality.CUMULATIVE,
          dataPointType: DataPointType.HISTOGRAM,
          dataPoints: all.map((series) => toPoint(series, startTime, endTime)),
        },
      ],
    },
  ];
}

function toPoint(series: DurationSeries, startTime: HrTime, endTime: HrTime): DataPoint<Histogram> {
  const { attributes, bucketCounts, count, sumS, minS, maxS } = series;
  return {
    attributes,
    startTime,
    endTime,
    value: {
      buckets: { boundaries: [...CALL_DURATION_BOUNDS_S], counts: [...bucketCounts] },
      count,
      sum: sumS,
      min: minS,
      max: maxS,
    },
  };
}

function toHrTime(epochMs: number): HrTime {
  return [Math.floor(epochMs / 1_000), (epochMs % 1_000) * 1_000_000];
}
