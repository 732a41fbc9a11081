/** The results as an SVG: the distance of each figure from its target, on one logarithmic scale. */
import type { Row } from "../comparison.ts";
import { toBound, toJudged, toSide } from "./figures.ts";
import type { Results } from "./results.ts";
import { toProvenance } from "./table.ts";

const WIDTH = 960;
const ROW_HEIGHT = 34;
const TOP = 64;
const BOTTOM = 44;
const LABEL_WIDTH = 400;
const FIGURE_WIDTH = 150;
const plotLeft = LABEL_WIDTH + 16;
const plotWidth = WIDTH - plotLeft - FIGURE_WIDTH;
/** From a quarter of the target to sixteen times the target. */
const scaleMin = Math.log2(1 / 4);
const scaleMax = Math.log2(16);

/** Legible on light and dark pages. */
const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .faint { fill: #6e7781; font-size: 11px }
  .title { font-size: 15px; font-weight: 600 }
  .ambition { fill: #1a7f37 } .must { fill: #4a9fe0 } .short { fill: #cf222e }
  .must-line { stroke: #24292f; stroke-width: 1.5 }
  .ambition-mark { stroke: #1a7f37; stroke-width: 2 }
  .spread { stroke: #24292f; stroke-width: 1; opacity: 0.55 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 }
    .must-line, .spread { stroke: #e6edf3 }
  }`;

interface TargetRow extends Row {
  readonly ratio: number;
  readonly must: number;
  readonly ambition: number;
}

export function toChart(results: Results): string {
  const rows = results.rows.filter(hasTarget);
  const height = TOP + rows.length * ROW_HEIGHT + BOTTOM;
  const mustX = toX(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="meshcache compared with its peers">`,
    `<style>${style}\n</style>`,
    text(16, 26, "Figures over their targets: right of the line is reached", "title"),
    text(mustX, 48, "must", "faint", "middle"),
    ...rows.flatMap((row, index) => barOf(row, TOP + index * ROW_HEIGHT)),
    `<line class="must-line" x1="${mustX}" y1="${TOP - 8}" x2="${mustX}" y2="${height - BOTTOM}"/>`,
    text(
      16,
      height - 26,
      "Thin line: the spread of the pairs. Green mark: the ambition. Logarithmic scale.",
      "faint",
    ),
    text(16, height - 10, toProvenance(results), "faint"),
    "</svg>",
    "",
  ].join("\n");
}

function hasTarget(row: Row): row is TargetRow {
  return row.ratio !== null && row.must !== null && row.ambition !== null;
}

/** How many times better than the target the figure is, whichever direction is better. 1: equal. */
function reach(row: TargetRow, figure: number): number {
  if (figure <= 0) return row.better === "higher" ? 0 : Number.POSITIVE_INFINITY;
  return row.better === "higher" ? figure / row.must : row.must / figure;
}

function toX(times: number): number {
  const position = (Math.log2(Math.max(times, Number.MIN_VALUE)) - scaleMin) / (scaleMax - scaleMin);
  return Math.round(plotLeft + Math.min(1, Math.max(0, position)) * plotWidth);
}

function barOf(row: TargetRow, y: number): readonly string[] {
  const end = toX(reach(row, row.ratio));
  const start = toX(1);
  const middle = y + 12;
  const ambition = toX(reach(row, row.ambition));
  const [least, greatest] = row.spread ?? [row.ratio, row.ratio];
  const ours = toSide(row, row.ours);
  const beside = row.peer === null ? ours : `${ours} · ${row.peerName}: ${toSide(row, row.peer)}`;
  return [
    text(16, middle, `${row.id} · ${row.name}`),
    text(16, middle + 14, beside, "faint"),
    `<rect class="${row.verdict}" x="${Math.min(start, end)}" y="${y + 4}" width="${Math.max(2, Math.abs(end - start))}" height="14" rx="2"/>`,
    `<line class="spread" x1="${toX(reach(row, least))}" y1="${y + 11}" x2="${toX(reach(row, greatest))}" y2="${y + 11}"/>`,
    `<line class="ambition-mark" x1="${ambition}" y1="${y + 1}" x2="${ambition}" y2="${y + 21}"/>`,
    text(WIDTH - 16, middle, toJudged(row, row.ratio), "", "end"),
    text(WIDTH - 16, middle + 14, toBound(row, row.must), "faint", "end"),
  ];
}

function text(x: number, y: number, content: string, kind = "", anchor = "start"): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${escaped}</text>`;
}
