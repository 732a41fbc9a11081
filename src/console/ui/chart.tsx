/** A chart of some columns over time, drawn by uPlot, with a legend that tells the numbers in words too. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { orNothing } from "../format/numbers.ts";
import { isDark } from "./theme.ts";

export type Tone = "blue" | "orange" | "grey" | "green" | "red";

export interface Series {
  readonly label: string;
  readonly tone: Tone;
  /** A line of dashes: a limit, not a measurement. */
  readonly isLimit?: boolean;
}

export interface ChartProps {
  readonly title: string;
  /** What is measured, in a few words. */
  readonly note?: string;
  readonly series: readonly Series[];
  /** Times in seconds, and a column for each series. Asked for at each change of `version`. */
  readonly columns: () => (number | null)[][];
  readonly version: ReadonlySignal<number>;
  /** How much time the axis shows at most. While there is less, it shows that, and a minute at least. */
  readonly windowS: number;
  readonly show: (value: number) => string;
  /** At the axis, where `show` is longer than it needs to be. */
  readonly showTick?: (value: number) => string;
  /** Values are bytes: the axis has steps of powers of two. */
  readonly isBytes?: boolean;
  /** The top of the axis. Default: the greatest value. */
  readonly max?: number;
  /** Series add up: they are drawn on top of each other. */
  readonly isStacked?: boolean;
  /** Said where there is not one number. */
  readonly nothing: string;
}

const HEIGHT = 150;
const WINDOW_MIN_S = 60;
const EDGE_PX = 22;
const BYTE_STEPS: readonly number[] = Array.from({ length: 50 }, (_, power) => 2 ** power);

export function Chart(props: ChartProps) {
  const { title, note, series, columns, version, windowS, show, nothing, isStacked = false } = props;
  const host = useRef<HTMLDivElement>(null);
  const hovered = useSignal<number | undefined>(undefined);
  const values = useSignal<readonly (number | null | undefined)[]>([]);
  const dark = isDark.value;

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const plot = new uPlot(
      toOptions(props, element, (index) => {
        hovered.value = index;
        tell();
      }),
      [[]],
      element,
    );
    let raw: (number | null)[][] = [[]];
    const tell = () => {
      const index = hovered.peek() ?? (raw[0]?.length ?? 0) - 1;
      values.value = raw.slice(1).map((column) => column[index]);
    };
    const stop = version.subscribe(() => {
      raw = columns();
      tell();
      plot.setData((isStacked ? stack(raw) : raw) as uPlot.AlignedData);
    });
    const resizing = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    resizing.observe(element);
    return () => {
      stop();
      resizing.disconnect();
      plot.destroy();
    };
  }, [dark, windowS]);

  const isEmpty = values.value.every((value) => value === null || value === undefined);
  return (
    <figure class="panel chart">
      <figcaption>
        <h2>{title}</h2>
        <ul class="legend">
          {series.map(({ label, tone }, index) => (
            <li key={label} class={`tone-${tone}`}>
              {label} <b>{orNothing(values.value[index], show)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      {note !== undefined && <p class="soft small">{note}</p>}
      <div class="plot" ref={host} aria-hidden="true">
        {isEmpty && (
          <div class="nothing">
            <span>{nothing}</span>
          </div>
        )}
      </div>
    </figure>
  );
}

/**
 * Each column becomes the sum of itself and of those before it. The last one comes first: what is drawn later covers it where
 * both are the same, and so the line of a part of 0 does not hide the one below.
 */
function stack([times = [], ...columns]: (number | null)[][]): (number | null)[][] {
  const sums = times.map(() => 0);
  const stacked = columns.map((column) =>
    column.map((value, index) => {
      if (value === null) return null;
      sums[index] = (sums[index] ?? 0) + value;
      return sums[index];
    }),
  );
  return [times, ...stacked.reverse()];
}

function toOptions(
  props: ChartProps,
  element: HTMLElement,
  onHover: (index: number | undefined) => void,
): uPlot.Options {
  const { series, show, showTick = show, max, isStacked = false, isBytes = false, windowS } = props;
  const color = (name: string) => resolveColor(element, name);
  const drawn = isStacked ? series.toReversed() : series;
  const axis = {
    stroke: color("--text-soft"),
    font: `11px ${getComputedStyle(element).fontFamily}`,
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 6, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: "meshcache" } },
    scales: {
      x: { time: true, range: ({ data: [times] }) => windowOf(times[0] ?? 0, times.at(-1) ?? 0, windowS) },
      y: { range: (_plot, _min, most) => [0, max ?? roundUp(most ?? 0, isBytes)] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 4,
        space: 70,
        values: (plot, splits) =>
          splits.map((split) => (isAtEdge(plot, split) ? "" : toClock(split, windowS))),
      },
      {
        ...axis,
        size: 66,
        gap: 6,
        space: 34,
        values: (_plot, splits) => splits.map(showTick),
        ...(isBytes ? { incrs: [...BYTE_STEPS] } : {}),
      },
    ],
    series: [
      {},
      ...drawn.map(({ tone, isLimit }, index): uPlot.Series => {
        const stroke = color(`--series-${tone}`);
        const isFilled = isStacked ? index === drawn.length - 1 : drawn.length === 1;
        return {
          stroke,
          width: 1.5,
          // One point alone makes no line.
          points: { show: ({ data: [times] }) => times.length === 1 },
          ...(isLimit ? { dash: [4, 4] } : {}),
          ...(isFilled ? { fill: withAlpha(stroke, 0.18) } : {}),
        };
      }),
    ],
    bands: isStacked
      ? drawn.slice(0, -1).map(({ tone }, index) => ({
          series: [index + 1, index + 2] as [number, number],
          fill: withAlpha(color(`--series-${tone}`), 0.18),
        }))
      : [],
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? undefined)] },
  };
}

/** A top of the axis that is not lower than `most`, and does not change with every value. */
function roundUp(most: number, isBytes: boolean): number {
  if (!(most > 0)) return 1;
  if (isBytes) {
    const eighth = 2 ** Math.floor(Math.log2(most)) / 8;
    return Math.ceil(most / eighth + 0.5) * eighth;
  }
  const step = 10 ** Math.floor(Math.log10(most));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * step >= most * 1.02) ?? 10) * step;
}

function windowOf(first: number, last: number, windowS: number): [number, number] {
  return [last - Math.min(windowS, Math.max(WINDOW_MIN_S, last - first)), last];
}

/** Its text would be cut, or lie on the numbers of the other axis. */
function isAtEdge(plot: uPlot, split: number): boolean {
  const at = plot.valToPos(split, "x");
  return at < EDGE_PX || at > plot.bbox.width / uPlot.pxRatio - EDGE_PX;
}

function toClock(seconds: number, windowS: number): string {
  const time = new Date(seconds * 1_000);
  const day = `${time.getDate()}.${time.getMonth() + 1}. `;
  const clock = time.toTimeString().slice(0, windowS > 600 ? 5 : 8);
  return windowS > 86_400 ? day + clock : clock;
}

/** A canvas takes no custom properties: an element is asked for what one means now. */
function resolveColor(element: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const withAlpha = (color: string, alpha: number): string =>
  color.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
