/** Makes the dashboards of `deploy/grafana` from their panels. */
import {
  type Dashboard,
  DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { clientNumbers, clientRows } from "./client.ts";
import { type Figure, lines, number, SOURCE } from "./panels.ts";
import { serverNumbers, serverRows } from "./server.ts";

interface Source {
  readonly uid: string;
  readonly title: string;
  /** A label that the reader can choose values of. */
  readonly variable: { readonly name: string; readonly metric: string };
  readonly numbers: readonly Figure[];
  readonly rows: Readonly<Record<string, readonly Figure[]>>;
}

const sources: readonly Source[] = [
  {
    uid: "meshcache-server",
    title: "meshcache · servers",
    variable: { name: "instance", metric: "meshcache_entries" },
    numbers: serverNumbers,
    rows: serverRows,
  },
  {
    uid: "meshcache-client",
    title: "meshcache · clients",
    variable: { name: "job", metric: "meshcache_client_near_hits_total" },
    numbers: clientNumbers,
    rows: clientRows,
  },
];

/** By file name. */
export function buildDashboards(): ReadonlyMap<string, Dashboard> {
  return new Map(sources.map((source) => [`${source.uid}.json`, build(source)]));
}

/** The queries in PromQL of all panels. */
export function panelQueries(): string[] {
  const figures = sources.flatMap(({ numbers, rows }) => [...numbers, ...Object.values(rows).flat()]);
  return figures.flatMap(({ queries }) => queries.map(([expr]) => expr));
}

function build({ uid, title, variable, numbers, rows }: Source): Dashboard {
  const dashboard = new DashboardBuilder(title)
    .uid(uid)
    .tags(["meshcache"])
    .refresh("10s")
    .time({ from: "now-30m", to: "now" })
    .timezone("browser")
    .withVariable(new DatasourceVariableBuilder("datasource").label("Source").type("prometheus"))
    .withVariable(
      new QueryVariableBuilder(variable.name)
        .label(variable.name)
        .datasource(SOURCE)
        .query(`label_values(${variable.metric}, ${variable.name})`)
        .multi(true)
        .includeAll(true)
        .allValue(".*"),
    );
  for (const figure of numbers) dashboard.withPanel(number(figure, numbers.length));
  for (const [name, figures] of Object.entries(rows)) {
    dashboard.withRow(new RowBuilder(name));
    for (const figure of figures) dashboard.withPanel(lines(figure, columnsOf(figures.length)));
  }
  return dashboard.build();
}

/** Rows are full: of two, or of three. */
function columnsOf(panels: number): number {
  return panels % 3 === 0 ? 3 : 2;
}
