/** The dashboard of the services that use the cache: what their near caches and loaders do. */
import type { Figure } from "./panels.ts";

const AT = `job=~"$job"`;
const RATE = "[$__rate_interval]";

function rate(metric: string, by = "job"): string {
  return `sum by (${by}) (rate(meshcache_client_${metric}{${AT}}${RATE}))`;
}

const nearHits = rate("near_hits_total");

function operationQuantile(quantile: number): string {
  return `histogram_quantile(${quantile}, ${rate("operation_duration_seconds_bucket", "le")})`;
}

export const clientNumbers: readonly Figure[] = [
  {
    title: "Clients without a connection",
    description: "They read from their source.",
    unit: "short",
    queries: [[`count(meshcache_client_connection_ready_ratio{${AT}} == 0) or vector(0)`, "clients"]],
  },
  {
    title: "Near hit ratio",
    description: "Reads that the process itself answered.",
    unit: "percentunit",
    queries: [[`sum(${nearHits}) / (sum(${nearHits}) + sum(${rate("near_misses_total")}))`, "near hits"]],
  },
  {
    title: "Stale reads",
    description: "Probed near hits that contradict the server, today. Must be 0.",
    unit: "short",
    queries: [
      [`sum(increase(meshcache_client_probe_violations_total{${AT}}[1d])) or vector(0)`, "violations"],
    ],
  },
];

export const clientRows: Readonly<Record<string, readonly Figure[]>> = {
  "Near cache": [
    {
      title: "Near hits",
      description: "By service.",
      unit: "percentunit",
      queries: [[`${nearHits} / (${nearHits} + ${rate("near_misses_total")})`, "{{job}}"]],
    },
    {
      title: "Copies",
      description: "Estimated size of the near caches.",
      unit: "bytes",
      queries: [[`sum by (job) (meshcache_client_near_bytes{${AT}})`, "{{job}}"]],
    },
    {
      title: "Copies that left",
      description: "Invalidated by an event or an own write, or evicted to make room.",
      unit: "ops",
      queries: [
        [rate("near_invalidated_total"), "invalidated {{job}}"],
        [rate("near_evicted_total"), "evicted {{job}}"],
      ],
    },
  ],
  Loads: [
    {
      title: "Loads",
      description: "Loader runs, and calls that joined one in the same process.",
      unit: "ops",
      queries: [
        [rate("loads_total"), "loads {{job}}"],
        [rate("loads_shared_total"), "shared {{job}}"],
      ],
    },
    {
      title: "Loads that failed, and values that were not kept",
      description: "`onEvent` of the client has the reasons.",
      unit: "ops",
      queries: [
        [rate("loads_failed_total"), "failed {{job}}"],
        [rate("loads_unkept_total"), "not kept {{job}}"],
      ],
    },
    {
      title: "Stale values served",
      description: "While a load was running.",
      unit: "ops",
      queries: [[rate("stale_served_total"), "{{job}}"]],
    },
  ],
  Connection: [
    {
      title: "Duration of operations",
      description: "As the callers see it. Without near hits.",
      unit: "s",
      queries: [
        [operationQuantile(0.5), "p50"],
        [operationQuantile(0.99), "p99"],
      ],
    },
    {
      title: "Failures and gaps",
      description: "Attempts that failed and streams that ended; times that events may have been missed.",
      unit: "ops",
      queries: [
        [rate("connection_failures_total"), "failures {{job}}"],
        [rate("connection_gaps_total"), "gaps {{job}}"],
      ],
    },
    {
      title: "What clients tell",
      description: "The events of `onEvent`, by kind.",
      unit: "ops",
      queries: [[rate("events_total", "meshcache_event"), "{{meshcache_event}}"]],
    },
  ],
};
