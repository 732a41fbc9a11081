/** Reads the counters every second, and keeps what the charts of five minutes need. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Api } from "./api.ts";
import { createHistory, type History } from "./history.ts";
import {
  type Figures,
  figuresBetween,
  QUANTILE_WINDOW_MS,
  type Reading,
  type WorkerFigures,
  workersBetween,
} from "./overview.ts";
import { createPoll, type Poll, type Schedule } from "./poll.ts";

export const READ_INTERVAL_MS = 1_000;
export const HISTORY_POINTS = 300;

export interface OverviewFeed {
  readonly poll: Poll<Reading>;
  readonly figures: ReadonlySignal<Figures | undefined>;
  readonly workers: ReadonlySignal<readonly WorkerFigures[]>;
  readonly history: History<keyof Figures>;
  /** Changes with the history. */
  readonly points: ReadonlySignal<number>;
}

const NAMES: Readonly<Record<keyof Figures, true>> = {
  hits: true,
  stale: true,
  misses: true,
  reads: true,
  hitRatio: true,
  sets: true,
  invalidations: true,
  p50S: true,
  p99S: true,
  calls: true,
  bytes: true,
  budgetBytes: true,
  entries: true,
  evictedCapacity: true,
  evictedExpired: true,
  evictedFenced: true,
  subscribers: true,
  lagEvents: true,
  connections: true,
  loopDelayS: true,
};
const FIGURES = Object.keys(NAMES) as (keyof Figures)[];

/** `nowMs`: the wall clock, which is the axis of the charts. */
export function createOverviewFeed(api: Api, schedule: Schedule, nowMs: () => number): OverviewFeed {
  const history = createHistory(FIGURES, HISTORY_POINTS);
  const figures = signal<Figures | undefined>();
  const workers = signal<readonly WorkerFigures[]>([]);
  const points = signal(0);
  let recent: Reading[] = [];

  const poll = createPoll<Reading>({
    intervalMs: READ_INTERVAL_MS,
    schedule,
    async read(abort) {
      // One namespace: the list of all has a view of its own.
      const [stats, activity] = await Promise.all([
        api.admin.stats({ namespacesMax: 1 }, { signal: abort }),
        api.admin.activity({}, { signal: abort }),
      ]);
      const reading = { atMs: nowMs(), stats, activity };
      add(reading);
      return reading;
    },
  });

  function add(reading: Reading): void {
    const last = recent.at(-1);
    const earlier = recent[0];
    if (last !== undefined && earlier !== undefined) {
      const found = figuresBetween(last, reading, earlier);
      figures.value = found;
      workers.value = workersBetween(last, reading);
      // A hole, so that no line is drawn over the time in which nothing was read.
      if (reading.atMs - last.atMs > 3 * READ_INTERVAL_MS) history.add((last.atMs + 1) / 1_000, UNKNOWN);
      history.add(reading.atMs / 1_000, found);
      points.value += 1;
    }
    recent = [...recent.filter(({ atMs }) => atMs > reading.atMs - QUANTILE_WINDOW_MS), reading];
  }

  return { poll, figures, workers, history, points: computed(() => points.value) };
}

const UNKNOWN = Object.fromEntries(FIGURES.map((name) => [name, Number.NaN])) as unknown as Figures;
