/** The results as a table: in columns for a terminal, in Markdown for the README. */
import type { Row, Verdict } from "../comparison.ts";
import { toBound, toJudged, toSide, toSpread } from "./figures.ts";
import type { Results } from "./results.ts";

const verdictWords: Record<Verdict, string> = {
  ambition: "ambition reached",
  must: "reached",
  short: "SHORT",
  shown: "",
  skipped: "skipped",
  failed: "FAILED",
};

const headings = ["#", "figure", "ours", "peer", "result", "spread", "must", "ambition", "verdict"] as const;

function cellsOf(row: Row): readonly string[] {
  return [
    row.id,
    row.name,
    toSide(row, row.ours),
    row.peer === null ? row.peerName : `${toSide(row, row.peer)} (${row.peerName})`,
    row.ratio === null ? "" : toJudged(row, row.ratio),
    toSpread(row),
    toBound(row, row.must),
    toBound(row, row.ambition),
    verdictWords[row.verdict],
  ];
}

export function toTerminalTable(results: Results): string {
  const lines = [headings, ...results.rows.map(cellsOf)];
  const widths = headings.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? "").length)));
  const text = lines.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const [heading = "", ...rows] = text;
  return [
    heading,
    "-".repeat(heading.length),
    ...rows,
    "",
    ...notesOf(results),
    "",
    toProvenance(results),
  ].join("\n");
}

export function toMarkdownTable(results: Results): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rows = results.rows.map((row) => line(cellsOf(row)));
  return [line(headings), line(headings.map(() => "---")), ...rows, "", toProvenance(results)].join("\n");
}

/** One line for each note, with the names of all rows that share it. */
function notesOf(results: Results): readonly string[] {
  const byNote = new Map<string, string[]>();
  for (const { id, note, verdict } of results.rows) {
    if (note === "") continue;
    const label = verdict === "skipped" || verdict === "failed" ? `${id} ${verdict}` : id;
    byNote.set(note, [...(byNote.get(note) ?? []), label]);
  }
  return [...byNote].map(([note, labels]) => `${[...new Set(labels)].join(", ")}: ${note}`);
}

/** The machine, the date and the versions of the measurement. */
export function toProvenance({ machine, node, date, seed, quick, entries }: Results): string {
  const memory = `${Math.round(machine.memoryBytes / 2 ** 30)} GiB`;
  const scope = quick
    ? `; quick: ${entries.toLocaleString("en")} entries and short windows, a smoke test`
    : "";
  const busy = `load average ${machine.loadAverageBefore.toFixed(1)} before the run`;
  return `${machine.cpu}, ${machine.cores} cores, ${memory}, ${busy}, Linux ${machine.kernel}, Node ${node}, ${date.slice(0, 10)}, seed ${seed}${scope}`;
}
