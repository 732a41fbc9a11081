import { ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import { beforeEach, describe, expect, it } from "vitest";
import {
  answerMetrics,
  createThreadMetrics,
  type ThreadMetrics,
} from "../../../../src/cli/telemetry/thread-metrics/collection.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { until } from "../../../support/until.ts";

const calls = (value: number): ScopeMetrics[] => [
  {
    scope: { name: "meshcache" },
    metrics: [
      {
        descriptor: { name: "calls", description: "", unit: "1", valueType: ValueType.INT },
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: [{ attributes: {}, startTime: [1, 0], endTime: [2, 0], value }],
      },
    ],
  },
];
const countIn = ({ resourceMetrics }: CollectionResult): unknown =>
  resourceMetrics.scopeMetrics[0]?.metrics[0]?.dataPoints[0]?.value;

let clock: ManualClock;
let threads: ThreadMetrics;
const collect = () => threads.producer(AggregationTemporality.CUMULATIVE).collect();
/** Again until what the threads posted meanwhile has arrived. */
const collected = (count: number) => until(collect, (result) => countIn(result) === count);

beforeEach(() => {
  clock = new ManualClock();
  threads = createThreadMetrics(clock);
});

const unexpected = (error: unknown): never => {
  throw error;
};

describe("createThreadMetrics()", () => {
  it("asks every thread whenever metrics are read", async () => {
    const counts = [1, 10];
    for (const thread of counts.keys()) {
      answerMetrics(threads.connect(thread), async () => calls(counts[thread] ?? 0), unexpected);
    }
    await collected(11);
    counts[1] = 20;
    expect(await Promise.all([collect(), collect()]).then((both) => both.map(countIn))).toEqual([21, 21]);
  });

  it("uses the last metrics of a thread that does not answer, and reports that", async () => {
    let answer = Promise.resolve(calls(5));
    answerMetrics(threads.connect(0), () => answer, unexpected);
    await collected(5);
    const slow = Promise.withResolvers<ScopeMetrics[]>();
    answer = slow.promise;
    const late = collect();
    await until(
      async () => clock.pending,
      (pending) => pending > 0,
    );
    clock.advance(1_000);
    const { errors } = await late;
    expect(countIn(await late)).toBe(5);
    expect(errors).toEqual([new Error("worker thread 0 did not send its metrics in time")]);
    slow.resolve(calls(6));
    expect((await collected(6)).errors).toEqual([]);
  });

  it("C1: outlives metrics that cannot be collected, and sends the next ones", async () => {
    const errors: unknown[] = [];
    const fault = new Error("of the collection");
    let answer = async () => calls(5);
    const sendLast = answerMetrics(
      threads.connect(0),
      () => answer(),
      (error) => errors.push(error),
    );
    await collected(5);
    answer = () => Promise.reject(fault);
    const failing = await collect();
    expect(countIn(failing)).toBe(5);
    expect(failing.errors).toEqual([new Error("worker thread 0 could not collect its metrics")]);
    await sendLast();
    expect(errors).toEqual([fault, fault]);
    answer = async () => calls(6);
    await collected(6);
  });

  it("does not wait for a thread that has not started", async () => {
    threads.connect(0);
    const { resourceMetrics, errors } = await collect();
    expect([resourceMetrics.scopeMetrics, errors]).toEqual([[], []]);
  });

  it("keeps the last metrics of a thread that has ended", async () => {
    const port = threads.connect(0);
    let count = 1;
    const tellLast = answerMetrics(port, async () => calls(count), unexpected);
    count = 7;
    await tellLast();
    count = 8;
    await collected(7);
    port.close();
    const { errors, ...rest } = await collect();
    expect([countIn({ errors, ...rest }), errors]).toEqual([7, []]);
  });
});
