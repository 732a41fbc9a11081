/** The panels of the dashboards: what each kind of figure looks like. */
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TimeseriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";

/** A query in PromQL, and the text of its lines with `{{label}}` for a label. */
export type Query = readonly [expr: string, legend: string];

export interface Figure {
  readonly title: string;
  /** What a person should conclude from it. */
  readonly description: string;
  /** Of Grafana: `s`, `bytes`, `percentunit`, `ops`, `short` … */
  readonly unit: string;
  readonly queries: readonly Query[];
}

/** The Prometheus that the reader chooses. */
export const SOURCE = { type: "prometheus", uid: "$datasource" };
const WIDTH = 24;

/** Lines over time. `columns` of them are in a row. */
export function lines(figure: Figure, columns: number): TimeseriesBuilder {
  const panel = new TimeseriesBuilder()
    .title(figure.title)
    .description(figure.description)
    .datasource(SOURCE)
    .unit(figure.unit)
    .min(0)
    .fillOpacity(8)
    .height(8)
    .span(WIDTH / columns);
  for (const query of toQueries(figure)) panel.withTarget(query);
  return panel;
}

/** One number, the latest. */
export function number(figure: Figure, columns: number): StatBuilder {
  const panel = new StatBuilder()
    .title(figure.title)
    .description(figure.description)
    .datasource(SOURCE)
    .unit(figure.unit)
    .height(4)
    .span(WIDTH / columns);
  for (const query of toQueries(figure)) panel.withTarget(query);
  return panel;
}

function toQueries({ queries }: Figure): DataqueryBuilder[] {
  return queries.map(([expr, legend], index) =>
    new DataqueryBuilder()
      .expr(expr)
      .legendFormat(legend)
      .refId(String.fromCharCode(65 + index)),
  );
}
