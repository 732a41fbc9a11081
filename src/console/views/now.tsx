/** What the server does now, and did in the last minutes. */
import { useComputed, useSignal } from "@preact/signals";
import type { Figures, WorkerFigures } from "../data/overview.ts";
import { HISTORY_POINTS } from "../data/overview-feed.ts";
import { NO_PAST, PAST_WINDOWS_S, type PastWindow, pastColumns } from "../data/past.ts";
import {
  orNothing,
  plural,
  toCount,
  toLatency,
  toPercent,
  toRate,
  toShort,
  toSize,
} from "../format/numbers.ts";
import { Chart, type ChartProps } from "../ui/chart.tsx";
import { usePage } from "../ui/page.ts";
import { Denied, Heading, Notice, Panel, ProblemNotice, Switch, Tile } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { usePoll } from "../ui/use-poll.ts";

type FigureProps = "title" | "series" | "show" | "showTick" | "max" | "isStacked" | "isBytes" | "nothing";

interface Figure extends Pick<ChartProps, FigureProps> {
  readonly names: readonly (keyof Figures)[];
}

function toRoundSize(bytes: number): string {
  return toSize(Math.round(bytes));
}

function toRoundPercent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** There are no parts of events. */
function toWholeTick(value: number): string {
  return Number.isInteger(value) ? toShort(value) : "";
}

const NO_READS = "No reads in this time";

const FIGURES: readonly Figure[] = [
  {
    title: "Reads",
    names: ["hits", "stale", "misses"],
    series: [
      { label: "hits", tone: "blue" },
      { label: "stale hits", tone: "orange" },
      { label: "misses", tone: "grey" },
    ],
    isStacked: true,
    show: toRate,
    nothing: "Waiting for the second reading",
  },
  {
    title: "Hit ratio",
    names: ["hitRatio"],
    series: [{ label: "of all reads", tone: "blue" }],
    max: 1,
    show: toPercent,
    showTick: toRoundPercent,
    nothing: NO_READS,
  },
  {
    title: "Duration of unary calls",
    names: ["p50S", "p99S"],
    series: [
      { label: "p50", tone: "blue" },
      { label: "p99", tone: "orange" },
    ],
    show: toLatency,
    nothing: "No unary calls in this time. Batches of an Exchange have no duration of their own.",
  },
  {
    title: "Memory of entries",
    names: ["bytes", "budgetBytes"],
    series: [
      { label: "used", tone: "blue" },
      { label: "budget", tone: "grey", isLimit: true },
    ],
    show: toRoundSize,
    isBytes: true,
    nothing: "",
  },
  {
    title: "Evictions",
    names: ["evictedCapacity", "evictedExpired", "evictedFenced"],
    series: [
      { label: "for room", tone: "red" },
      { label: "expired", tone: "grey" },
      { label: "invalidated", tone: "orange" },
    ],
    show: toRate,
    nothing: "Waiting for the second reading",
  },
  {
    title: "Writes",
    names: ["sets", "invalidations"],
    series: [
      { label: "Sets", tone: "blue" },
      { label: "invalidations", tone: "orange" },
    ],
    show: toRate,
    nothing: "Waiting for the second reading",
  },
  {
    title: "Lag of the slowest subscriber",
    names: ["lagEvents"],
    series: [{ label: "events", tone: "blue" }],
    show: toShort,
    showTick: toWholeTick,
    nothing: "",
  },
  {
    title: "Event-loop delay",
    names: ["loopDelayS"],
    series: [{ label: "p99, slowest worker", tone: "blue" }],
    show: toLatency,
    nothing: "",
  },
];

const ABOUT = "Read every second. The charts begin when this page is opened, and show five minutes.";

export function NowView() {
  const { overview, session } = usePage();
  const { figures, poll, workers } = overview;
  const past = useSignal<PastWindow | "now">("now");
  if (!session.may("observe") || poll.problem.value?.kind === "denied")
    return <Denied view="Now" permission="observe" />;
  return (
    <div class="view">
      <Heading title="Now">{ABOUT}</Heading>
      <ProblemNotice problem={poll.problem.value} />
      <Tiles figures={figures.value} />
      {session.server.answer.value?.hasHistory && (
        <div>
          <Switch
            label="Time that the charts show"
            chosen={past.value}
            choices={WINDOWS}
            onChoose={(choice) => {
              past.value = choice;
            }}
          />
        </div>
      )}
      {past.value === "now" ? <LiveCharts /> : <PastCharts key={past.value} past={past.value} />}
      <Workers rows={workers.value} />
    </div>
  );
}

const WINDOWS: readonly (readonly [PastWindow | "now", string])[] = [
  ["now", "5 min"],
  ["1h", "1 h"],
  ["6h", "6 h"],
  ["24h", "24 h"],
  ["7d", "7 d"],
];

function LiveCharts() {
  const { history, points } = usePage().overview;
  return (
    <div class="charts">
      {FIGURES.map(({ names, ...figure }) => (
        <Chart
          key={figure.title}
          {...figure}
          columns={() => history.columns(names)}
          version={points}
          windowS={HISTORY_POINTS}
        />
      ))}
    </div>
  );
}

const PAST_INTERVAL_MS = 30_000;

function PastCharts({ past }: { past: PastWindow }) {
  const { api } = usePage();
  const windowS = PAST_WINDOWS_S[past];
  const poll = usePoll(past, PAST_INTERVAL_MS, (signal) => api.admin.history({ windowS }, { signal }));
  const version = useComputed(() => poll.answer.value?.timesS.at(-1) ?? 0);
  return (
    <>
      {poll.problem.value !== undefined && (
        <Notice tone="warn">Prometheus does not answer the server, or not in time.</Notice>
      )}
      <div class="charts">
        {FIGURES.map(({ names, ...figure }) => (
          <Chart
            key={figure.title}
            {...figure}
            nothing="Prometheus has nothing of this time"
            columns={() => pastColumns(poll.answer.value ?? NO_PAST, names)}
            version={version}
            windowS={windowS}
          />
        ))}
      </div>
    </>
  );
}

function Tiles({ figures }: { figures: Figures | undefined }) {
  const of = (name: keyof Figures, show: (value: number) => string) => orNothing(figures?.[name], show);
  const used = figures === undefined ? undefined : figures.bytes / figures.budgetBytes;
  return (
    <dl class="tiles">
      <Tile label="Reads" value={of("reads", toRate)} note={`${of("misses", toRate)} missed`} />
      <Tile label="Hit ratio" value={of("hitRatio", toPercent)} note={`${of("stale", toRate)} stale`} />
      <Tile label="Unary calls, p99" value={of("p99S", toLatency)} note={`p50 ${of("p50S", toLatency)}`} />
      <Tile
        label="Memory of entries"
        value={orNothing(used, toPercent)}
        note={`${of("bytes", toRoundSize)} of ${of("budgetBytes", toRoundSize)}, ${of("entries", toShort)}\u00a0entries`}
      />
      <Tile
        label="Evictions for room"
        value={of("evictedCapacity", toRate)}
        note={`${of("evictedExpired", toRate)} expired`}
      />
      <Tile
        label="Subscribers"
        value={of("subscribers", toCount)}
        note={`slowest lags ${orNothing(figures?.lagEvents, (lag) => plural(lag, "event"))}`}
      />
    </dl>
  );
}

const WORKERS: readonly Column<WorkerFigures>[] = [
  { title: "Worker", show: ({ worker }) => worker, sort: ({ worker }) => worker },
  { title: "Operations", isNumber: true, show: ({ operations }) => orNothing(operations, toRate) },
  {
    title: "Share of all",
    show: ({ share, worker }) => (
      <>
        <meter value={share} aria-label={`Share of worker ${worker}`} />
        {toPercent(share)}
      </>
    ),
  },
  { title: "Busy", isNumber: true, show: ({ busy }) => toPercent(busy) },
  { title: "Loop delay, p99", isNumber: true, show: ({ loopDelayS }) => toLatency(loopDelayS) },
  { title: "Connections", isNumber: true, show: ({ connections }) => toCount(connections) },
  { title: "Open calls", isNumber: true, show: ({ openCalls }) => toCount(openCalls) },
  { title: "Subscribers", isNumber: true, show: ({ subscribers }) => toCount(subscribers) },
];

function Workers({ rows }: { rows: readonly WorkerFigures[] }) {
  if (rows.length === 0) return null;
  return (
    <Panel title="Workers" about="How the work is spread over the threads of the server.">
      <Table label="Workers" columns={WORKERS} rows={rows} id={({ worker }) => worker} />
    </Panel>
  );
}
