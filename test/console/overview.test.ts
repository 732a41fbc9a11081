/** Rates and quantiles between readings of the counters. */
import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  type ActivityResponse,
  ActivityResponseSchema,
  AdminService,
  HistoryResponseSchema,
  type StatsResponse,
  StatsResponseSchema,
} from "../../gen/meshcache/v1/admin_pb.ts";
import { createApi } from "../../src/console/data/api.ts";
import { createHistory } from "../../src/console/data/history.ts";
import { namespacesBetween } from "../../src/console/data/namespace-rates.ts";
import { figuresBetween, type Reading, workersBetween } from "../../src/console/data/overview.ts";
import { createOverviewFeed, HISTORY_POINTS } from "../../src/console/data/overview-feed.ts";
import { pastColumns } from "../../src/console/data/past.ts";
import { durationsBetween, quantileOf, unaryDurations } from "../../src/console/data/quantiles.ts";
import { createManualSchedule, settle } from "./manual-schedule.ts";

interface Counters {
  readonly atMs: number;
  readonly hits?: bigint;
  readonly misses?: bigint;
  readonly epoch?: bigint;
  readonly buckets?: bigint[];
}

const toStats = ({ atMs, hits = 0n, misses = 0n, epoch = 1n }: Counters): StatsResponse =>
  create(StatsResponseSchema, {
    epoch,
    uptimeMs: BigInt(atMs),
    subscribers: 3n,
    operations: { hits, misses, evictions: { capacity: hits } },
    shards: [
      { bytes: 100n, budgetBytes: 400n, entries: 2n },
      { bytes: 60n, budgetBytes: 400n, entries: 1n },
    ],
  });

const toActivity = ({ hits = 0n, buckets = [0n, 0n, 0n] }: Counters): ActivityResponse =>
  create(ActivityResponseSchema, {
    bucketBoundsS: [0.001, 0.01],
    calls: [
      { method: "meshcache.v1.CacheService/Get", status: "OK", bucketCounts: buckets },
      { method: "meshcache.v1.CacheService/Exchange", status: "OK", bucketCounts: [0n, 0n, 9n] },
      { method: "meshcache.v1.AdminService/Stats", status: "OK", bucketCounts: [9n, 0n, 0n] },
    ],
    workers: [
      {
        worker: 0,
        operations: 3n * hits,
        slowestLagEvents: 4n,
        eventLoopDelayP99Us: 2_000n,
        eventLoopBusy: 0.5,
      },
      { worker: 1, operations: hits, slowestLagEvents: 7n, eventLoopDelayP99Us: 500n },
    ],
  });

const reading = (counters: Counters): Reading => ({
  atMs: counters.atMs,
  stats: toStats(counters),
  activity: toActivity(counters),
});

describe("figuresBetween()", () => {
  const before = reading({ atMs: 1_000, hits: 100n, misses: 10n });

  it("computes rates of counters, and sums of shards", () => {
    const after = reading({ atMs: 3_000, hits: 280n, misses: 30n });
    expect(figuresBetween(before, after, before)).toMatchObject({
      hits: 90,
      misses: 10,
      reads: 100,
      hitRatio: 0.9,
      evictedCapacity: 90,
      bytes: 160,
      budgetBytes: 800,
      entries: 3,
      subscribers: 3,
      lagEvents: 7,
      loopDelayS: 0.002,
    });
  });

  it("knows no ratio without reads, and no rates over a restart", () => {
    const idle = figuresBetween(before, reading({ atMs: 2_000, hits: 100n, misses: 10n }), before);
    expect([idle.reads, idle.hitRatio]).toEqual([0, Number.NaN]);
    const restarted = figuresBetween(before, reading({ atMs: 2_000, hits: 500n, epoch: 2n }), before);
    expect([restarted.reads, restarted.hitRatio, restarted.bytes]).toEqual([Number.NaN, Number.NaN, 160]);
  });

  it("divides the operations of the workers", () => {
    const after = reading({ atMs: 3_000, hits: 280n });
    expect(workersBetween(before, after).map(({ operations, share }) => [operations, share])).toEqual([
      [270, 0.75],
      [90, 0.25],
    ]);
  });
});

describe("quantileOf()", () => {
  it("counts unary calls of the cache alone", () => {
    expect(unaryDurations(toActivity({ atMs: 0, buckets: [1n, 2n, 3n] })).counts).toEqual([1, 2, 3]);
  });

  it("interpolates within a bucket, and stays below the last one", () => {
    const boundsS = [0.001, 0.01];
    expect(quantileOf({ boundsS, counts: [100, 0, 0] }, 0.5)).toBeCloseTo(0.0005);
    expect(quantileOf({ boundsS, counts: [50, 50, 0] }, 0.99)).toBeCloseTo(0.00982);
    expect(quantileOf({ boundsS, counts: [0, 0, 1] }, 0.5)).toBe(0.01);
    expect(quantileOf({ boundsS, counts: [0, 0, 0] }, 0.5)).toBeNaN();
  });

  it("has nothing between counters that began anew", () => {
    const boundsS = [1];
    expect(durationsBetween({ boundsS, counts: [5, 0] }, { boundsS, counts: [4, 9] })).toBeUndefined();
    expect(durationsBetween({ boundsS, counts: [5, 0] }, { boundsS, counts: [7, 1] })?.counts).toEqual([
      2, 1,
    ]);
  });
});

describe("createHistory()", () => {
  it("keeps the newest points, with holes for what is not known", () => {
    const history = createHistory(["a", "b"], 2);
    for (const [timeS, a, b] of [
      [1, 10, 1],
      [2, Number.NaN, 2],
      [3, 30, 3],
    ] as const)
      history.add(timeS, { a, b });
    expect(history.columns(["b", "a"])).toEqual([
      [2, 3],
      [2, 3],
      [null, 30],
    ]);
    expect(history.length).toBe(2);
  });
});

describe("createOverviewFeed()", () => {
  it("reads every second, and adds a point from the second reading on, up to five minutes", async () => {
    const manual = createManualSchedule();
    let hits = 0n;
    const transport = createRouterTransport(({ service }) => {
      service(AdminService, {
        stats() {
          hits += 50n;
          return toStats({ atMs: manual.nowMs(), hits });
        },
        activity: () => toActivity({ atMs: manual.nowMs(), hits }),
      });
    });
    const feed = createOverviewFeed(createApi(transport), manual.schedule, manual.nowMs);
    const end = feed.poll.start();
    await untilTask(manual);
    expect([feed.history.length, feed.figures.value]).toEqual([0, undefined]);
    await manual.next();
    await untilTask(manual);
    expect([feed.history.length, feed.figures.value?.hits]).toEqual([1, 50]);
    for (let more = 0; more < HISTORY_POINTS + 5; more += 1) {
      await manual.next();
      await untilTask(manual);
    }
    expect([feed.history.length, feed.points.value]).toEqual([HISTORY_POINTS, HISTORY_POINTS + 6]);
    end();
  });
});

describe("pastColumns()", () => {
  it("has a column for each figure, with holes, and the ratio of hits", () => {
    const past = create(HistoryResponseSchema, {
      timesS: [60, 120, 180],
      series: [
        { name: "hits", values: [9, Number.NaN, 0] },
        { name: "misses", values: [1, 5, 0] },
      ],
    });
    expect(pastColumns(past, ["hits", "hitRatio", "bytes"])).toEqual([
      [60, 120, 180],
      [9, null, 0],
      [0.9, null, null],
      [null, null, null],
    ]);
  });
});

/** Until the poll has its answer and waits for the next one. */
async function untilTask(manual: ReturnType<typeof createManualSchedule>): Promise<void> {
  for (let turn = 0; turn < 100 && manual.delaysMs().length === 0; turn += 1) await settle();
}

describe("namespacesBetween()", () => {
  const at = (
    atMs: number,
    namespaces: { namespace: string; hits: bigint; misses: bigint }[],
    epoch = 1n,
  ) => ({
    atMs,
    stats: create(StatsResponseSchema, {
      epoch,
      namespaces: namespaces.map(({ namespace, hits, misses }) => ({
        namespace,
        operations: { hits, misses },
      })),
    }),
  });

  it("has the hit ratio of now, and that of all time where there are no reads now", () => {
    const before = at(0, [
      { namespace: "busy", hits: 50n, misses: 50n },
      { namespace: "idle", hits: 3n, misses: 1n },
    ]);
    const after = at(2_000, [
      { namespace: "busy", hits: 140n, misses: 60n },
      { namespace: "idle", hits: 3n, misses: 1n },
      { namespace: "new", hits: 1n, misses: 1n },
    ]);
    expect(
      namespacesBetween(before, after).map(({ name, reads, hitRatio, isRatioOfAll }) => [
        name,
        reads,
        hitRatio,
        isRatioOfAll,
      ]),
    ).toEqual([
      ["busy", 50, 0.9, false],
      ["idle", 0, 0.75, true],
      ["new", Number.NaN, 0.5, true],
    ]);
  });

  it("knows no rates at first, and none over a restart", () => {
    const [first] = namespacesBetween(undefined, at(0, [{ namespace: "a", hits: 1n, misses: 0n }]));
    const [restarted] = namespacesBetween(
      at(0, [{ namespace: "a", hits: 9n, misses: 0n }]),
      at(1_000, [{ namespace: "a", hits: 1n, misses: 0n }], 2n),
    );
    expect([first?.reads, restarted?.reads]).toEqual([Number.NaN, Number.NaN]);
  });
});
