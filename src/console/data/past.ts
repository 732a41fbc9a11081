/** The figures of the last hours, as the server's Prometheus has them. */
import type { HistoryResponse } from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Figures } from "./overview.ts";

export type PastWindow = "1h" | "6h" | "24h" | "7d";

export const PAST_WINDOWS_S: Readonly<Record<PastWindow, number>> = {
  "1h": 3_600,
  "6h": 6 * 3_600,
  "24h": 24 * 3_600,
  "7d": 7 * 24 * 3_600,
};

export type Past = Pick<HistoryResponse, "timesS" | "series">;

export const NO_PAST: Past = { timesS: [], series: [] };

/** A column of times and one for each name, as charts draw them. */
export function pastColumns(past: Past, names: readonly (keyof Figures)[]): (number | null)[][] {
  const columns = new Map(past.series.map(({ name, values }) => [name, values]));
  const [hits, stale, misses] = ["hits", "stale", "misses"].map((name) => columns.get(name));
  const columnOf = (name: keyof Figures): (number | null)[] =>
    past.timesS.map((_, index) => {
      if (name !== "hitRatio") return known(columns.get(name)?.[index]);
      const hit = hits?.[index] ?? Number.NaN;
      return known(hit / (hit + (stale?.[index] ?? 0) + (misses?.[index] ?? 0)));
    });
  return [[...past.timesS], ...names.map(columnOf)];
}

const known = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;
