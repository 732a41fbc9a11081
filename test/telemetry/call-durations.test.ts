/** The histogram of call durations: compared with the histogram of the SDK for the same calls. */
import type { Attributes } from "@opentelemetry/api";
import { trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  MeterProvider,
  type MetricProducer,
  MetricReader,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCallDurationProducer } from "../../src/cli/telemetry/call-duration-metrics.ts";
import { createCallDurations } from "../../src/telemetry/call-durations.ts";
import { CALL_DURATION_BOUNDS_S, instruments } from "../../src/telemetry/instruments.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { createTelemetry } from "../../src/telemetry/otel-telemetry.ts";

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** Without the times of collection. */
function pointsOf(scopes: readonly ScopeMetrics[]) {
  return scopes.map(({ scope, metrics }) => ({
    scope: scope.name,
    metrics: metrics.map(({ descriptor, dataPoints, dataPointType, aggregationTemporality }) => ({
      name: descriptor.name,
      unit: descriptor.unit,
      description: descriptor.description,
      dataPointType,
      aggregationTemporality,
      points: dataPoints.map(({ attributes, value }) => ({ attributes, value })),
    })),
  }));
}

describe("the durations of calls", () => {
  it("equal the histogram of the SDK for the same calls", async () => {
    const duration = fc.oneof(
      fc.constantFrom(0, ...CALL_DURATION_BOUNDS_S, 1_000),
      fc.double({ min: 0, max: 20, noNaN: true }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: 2 }), duration), { minLength: 1, maxLength: 50 }),
        async (calls) => {
          const reader = new Reader();
          const provider = new MeterProvider({ readers: [reader] });
          const durations = createCallDurations();
          const own = new Map<number, { record(s: number): void }>();
          const histogram = provider.getMeter("meshcache").createHistogram("rpc.server.call.duration", {
            unit: "s",
            description: instruments.callDuration.description,
            advice: { explicitBucketBoundaries: [...CALL_DURATION_BOUNDS_S] },
          });
          const attributesOf = (kind: number): Attributes => ({ "rpc.method": `m/${kind}` });
          for (const [kind, seconds] of calls) {
            const series = own.get(kind) ?? durations.series(attributesOf(kind));
            own.set(kind, series);
            series.record(seconds);
            histogram.record(seconds, attributesOf(kind));
          }
          const { resourceMetrics } = await reader.collect();
          const ours = await createCallDurationProducer(
            durations,
            AggregationTemporality.CUMULATIVE,
          ).collect();
          expect(pointsOf(ours.resourceMetrics.scopeMetrics)).toEqual(pointsOf(resourceMetrics.scopeMetrics));
          await provider.shutdown();
        },
      ),
      { numRuns: 50 },
    );
  });

  it("are one series for each method and status", async () => {
    const callDurations = createCallDurations();
    const telemetry = createTelemetry({
      tracerProvider: trace.getTracerProvider(),
      meterProvider: new MeterProvider(),
      logger: createNoTelemetry().logger,
      callDurations,
    });
    for (const [method, code] of [
      ["s/A", 0],
      ["s/A", 0],
      ["s/A", 13],
      ["s/B", 0],
    ] as const) {
      telemetry.startCall(method, () => undefined).end(code);
    }
    const counted = callDurations.all.map(({ attributes, count }) => [
      attributes["rpc.method"],
      attributes["rpc.status_code"],
      attributes["error.type"],
      count,
    ]);
    expect(counted).toEqual([
      ["s/A", "OK", undefined, 2],
      ["s/A", "INTERNAL", "INTERNAL", 1],
      ["s/B", "OK", undefined, 1],
    ]);
  });

  it("are counted for each reader since its own last collection, with delta temporality", async () => {
    const durations = createCallDurations();
    const series = durations.series({ "rpc.method": "m" });
    const one = createCallDurationProducer(durations, AggregationTemporality.DELTA);
    const other = createCallDurationProducer(durations, AggregationTemporality.DELTA);
    const countOf = async (producer: MetricProducer) => {
      const { resourceMetrics } = await producer.collect();
      return pointsOf(resourceMetrics.scopeMetrics).flatMap(({ metrics }) =>
        metrics.flatMap(({ points }) =>
          points.map(({ value }) => (typeof value === "object" ? value.count : value)),
        ),
      );
    };
    series.record(1);
    expect(await countOf(one)).toEqual([1]);
    series.record(2);
    series.record(3);
    expect(await countOf(one)).toEqual([2]);
    expect(await countOf(one)).toEqual([]);
    expect(await countOf(other)).toEqual([3]);
  });
});
