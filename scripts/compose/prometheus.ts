/** What Prometheus says, over its HTTP API, and what Grafana would ask it for. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

const PROVISIONING = "/etc/grafana/provisioning";

export interface Panel {
  readonly dashboard: string;
  readonly title: string;
  readonly type: string;
  readonly queries: readonly string[];
}

/** The address of the data source that Grafana is given. */
export function dataSourceUrl(): string {
  const { datasources }: { datasources: readonly { type: string; url: string; isDefault: boolean }[] } =
    readYaml("datasources/meshcache.yaml");
  const source = datasources.find(({ type, isDefault }) => type === "prometheus" && isDefault);
  if (source === undefined) throw new Error("Grafana has no Prometheus");
  return source.url;
}

/** The panels of all dashboards in the folder that Grafana is given. */
export function panels(): Panel[] {
  const { providers }: { providers: readonly { options: { path: string } }[] } =
    readYaml("dashboards/meshcache.yaml");
  return providers.flatMap(({ options: { path } }) =>
    readdirSync(path).flatMap((name) => panelsOf(JSON.parse(readFileSync(join(path, name), "utf8")))),
  );
}

interface DashboardFile {
  readonly title: string;
  readonly panels: readonly {
    readonly title: string;
    readonly type: string;
    readonly targets?: readonly { readonly expr: string }[];
    readonly panels?: DashboardFile["panels"];
  }[];
}

function panelsOf({ title: dashboard, panels: found }: DashboardFile): Panel[] {
  return found.flatMap(({ title, type, targets = [], panels: inRow = [] }) => [
    ...(type === "row" ? [] : [{ dashboard, title, type, queries: targets.map(({ expr }) => expr) }]),
    ...panelsOf({ title: dashboard, panels: inRow }),
  ]);
}

/** A query with the variables that Grafana fills in, each with the value for all. */
export function filledIn(query: string, rateInterval: string): string {
  return query.replaceAll("$__rate_interval", rateInterval).replaceAll(/\$(instance|job)\b/g, ".*");
}

const Instant = z.union([
  z.object({
    status: z.literal("success"),
    data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
  }),
  z.object({ status: z.literal("error"), error: z.string() }),
]);

/** The values of an instant query. Throws when Prometheus refuses it. */
export async function ask(url: string, query: string): Promise<number[]> {
  const body = new URLSearchParams({ query });
  const answer = Instant.parse(await (await fetch(`${url}/api/v1/query`, { method: "POST", body })).json());
  if (answer.status === "error") throw new Error(`${query}: ${answer.error}`);
  return answer.data.result.map(({ value: [, value] }) => Number(value));
}

const Rule = z.object({
  name: z.string(),
  health: z.string(),
  state: z.string(),
  lastError: z.string().optional(),
});
const Rules = z.object({ data: z.object({ groups: z.array(z.object({ rules: z.array(Rule) })) }) });

export async function rules(url: string): Promise<z.infer<typeof Rule>[]> {
  const { data } = Rules.parse(await (await fetch(`${url}/api/v1/rules`)).json());
  return data.groups.flatMap((group) => group.rules);
}

function readYaml<Shape>(path: string): Shape {
  return parse(readFileSync(join(PROVISIONING, path), "utf8"));
}
