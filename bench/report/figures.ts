/** Formats the figures of a row, in the same way for the table, the chart and the README. */
import type { Row } from "../comparison.ts";

/** Three significant digits, thousands with a k: 1.32, 0.047, 187 k, 1.2 M. */
export function toShort(figure: number): string {
  const size = Math.abs(figure);
  if (size >= 1e6) return `${significant(figure / 1e6)} M`;
  if (size >= 1e4) return `${significant(figure / 1e3)} k`;
  return significant(figure);
}

function significant(figure: number): string {
  if (figure === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(figure))));
  return figure.toFixed(Math.min(digits, 4));
}

/** "1.32×", "4.1 ms", "+0.0213". */
export function toJudged(row: Row, figure: number): string {
  if (row.judged === "×") return `${toShort(figure)}×`;
  if (row.judged === "difference") return `${figure < 0 ? "−" : "+"}${Math.abs(figure).toFixed(4)}`;
  return `${toShort(figure)} ${row.judged}`;
}

/** "≥ 1.3" or "≤ 10". Empty without a target. */
export function toBound(row: Row, bound: number | null): string {
  return bound === null ? "" : `${row.better === "higher" ? "≥" : "≤"} ${bound}`;
}

/** "187 k gets/s". Empty if it was not measured. */
export function toSide(row: Row, figure: number | null): string {
  return figure === null ? "" : `${toShort(figure)}${row.unit === "" ? "" : ` ${row.unit}`}`;
}

export function toSpread(row: Row): string {
  return row.spread === null ? "" : `${toJudged(row, row.spread[0])} … ${toJudged(row, row.spread[1])}`;
}
