import { readFileSync } from "node:fs";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { panelQueries } from "../../scripts/dashboards/build.ts";
import { observed, recorded } from "../../src/client/telemetry/instruments.ts";
import { historyQuery } from "../../src/server/services/history.ts";
import { instruments } from "../../src/telemetry/instruments.ts";

class Reader extends MetricReader {
  protected async onShutdown(): Promise<void> {}
  protected async onForceFlush(): Promise<void> {}
}

const clientRows = [
  ...Object.values(recorded),
  ...Object.values(observed).flatMap((value) => ("name" in value ? [value] : [])),
];
const rows = [...Object.values(instruments), ...clientRows];

/** Of the server's instruments in Prometheus, as the admin port writes them: without units. */
async function serverNames(): Promise<string[]> {
  const reader = new Reader();
  const meter = new MeterProvider({ readers: [reader] }).getMeter("test");
  for (const { name, kind, unit } of Object.values(instruments)) {
    if (kind === "histogram") meter.createHistogram(name, { unit }).record(1);
    else if (kind === "counter") meter.createCounter(name, { unit }).add(1);
    else meter.createGauge(name, { unit }).record(1);
  }
  const { resourceMetrics } = await reader.collect();
  const text = new PrometheusSerializer().serialize(resourceMetrics);
  return [...text.matchAll(/^([a-z0-9_]+)[{ ]/gm)].map(([, name]) => name ?? "");
}

const UNITS: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes" };

/**
 * Of the client's instruments in Prometheus, as a Collector writes what it got over OTLP: with units (the OpenTelemetry
 * specification, "Prometheus and OpenMetrics Compatibility").
 */
function clientNames(): string[] {
  return clientRows.flatMap(({ name, kind, unit }) => {
    const base = name.replaceAll(".", "_");
    const suffix = unit === "1" && kind === "gauge" ? "_ratio" : (UNITS[unit] ?? "");
    const full = base.endsWith(suffix) ? base : `${base}${suffix}`;
    if (kind === "histogram") return ["_bucket", "_count", "_sum"].map((part) => `${full}${part}`);
    return kind === "counter" ? [`${full}_total`] : [full];
  });
}

async function exportedNames(): Promise<Set<string>> {
  return new Set([...(await serverNames()), ...clientNames()]);
}

const labels = new Set(rows.flatMap(({ labels }) => labels.map((label) => label.replaceAll(".", "_"))));

function unknownNames(queries: readonly string[], exported: ReadonlySet<string>): string[] {
  const names = queries.flatMap((query) => query.match(/\b(meshcache|rpc|nodejs)_[a-z0-9_]+/g) ?? []);
  return names.filter((name) => !exported.has(name) && !labels.has(name));
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

function alerts(): Rules["groups"][number]["rules"] {
  const { groups }: Rules = parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8"));
  return groups.flatMap(({ rules }) => rules);
}

describe("the metrics that people look at", () => {
  it("are exported, each that a dashboard asks for", async () => {
    expect(panelQueries().length).toBeGreaterThan(30);
    expect(unknownNames(panelQueries(), await exportedNames())).toEqual([]);
  });

  it("are exported, each that an alert asks for", async () => {
    const queries = alerts().map(({ expr }) => expr);
    expect(queries.length).toBeGreaterThan(10);
    expect(unknownNames(queries, await exportedNames())).toEqual([]);
  });

  it("are exported, each that the history asks for", async () => {
    expect(unknownNames([historyQuery("", 60)], await exportedNames())).toEqual([]);
  });

  it("would be missed", async () => {
    const wrong = [
      "rate(meshcache_reads_total[5m]) + meshcache_read_total",
      "sum by (meshcache_nobody) (up)",
    ];
    expect(unknownNames(wrong, await exportedNames())).toEqual(["meshcache_read_total", "meshcache_nobody"]);
  });

  it("have a unit test for each alert", () => {
    const tests = readFileSync("deploy/prometheus/alerts.test.yaml", "utf8");
    expect(alerts().filter(({ alert }) => !tests.includes(`alertname: ${alert}\n`))).toEqual([]);
  });
});
