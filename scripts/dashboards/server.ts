/** The dashboard of the servers: is it working, how well, and what fills it. */
import type { Figure } from "./panels.ts";

const AT = `job="meshcache", instance=~"$instance"`;
const RATE = "[$__rate_interval]";

function rate(metric: string, by: string, more = ""): string {
  return `sum by (${by}) (rate(${metric}{${AT}${more}}${RATE}))`;
}

const unary = `, rpc_method!~".*/(Stream|Exchange|Watch)"`;

function callQuantile(quantile: number): string {
  const buckets = rate("rpc_server_call_duration_bucket", "le", unary);
  return `histogram_quantile(${quantile}, ${buckets})`;
}

const reads = rate("meshcache_reads_total", "instance");

export const serverNumbers: readonly Figure[] = [
  {
    title: "Servers that answer",
    description: "One for each cache. Two servers behind one name are two stores.",
    unit: "short",
    queries: [[`sum(up{${AT}})`, "servers"]],
  },
  {
    title: "Hit ratio",
    description: "Reads that found a fresh entry.",
    unit: "percentunit",
    queries: [
      [`sum(rate(meshcache_reads_total{${AT}, meshcache_outcome="hit"}${RATE})) / sum(${reads})`, "hits"],
    ],
  },
  {
    title: "Entries",
    description: "In all shards.",
    unit: "short",
    queries: [[`sum(meshcache_entries{${AT}})`, "entries"]],
  },
  {
    title: "Memory of entries",
    description: "Of what entries may use. A full store is normal: it evicts.",
    unit: "percentunit",
    queries: [[`sum(meshcache_memory_usage{${AT}}) / sum(meshcache_memory_limit{${AT}})`, "used"]],
  },
  {
    title: "Connections",
    description: "Open connections of clients.",
    unit: "short",
    queries: [[`sum(meshcache_connections{${AT}})`, "connections"]],
  },
  {
    title: "Faults",
    description: "Faults of the server that it contained, today. Please report them.",
    unit: "short",
    queries: [[`sum(increase(meshcache_contained_faults_total{${AT}}[1d]))`, "faults"]],
  },
];

export const serverRows: Readonly<Record<string, readonly Figure[]>> = {
  Use: [
    {
      title: "Reads by result",
      description: "Near hits are not among them: the server does not see them.",
      unit: "ops",
      queries: [[rate("meshcache_reads_total", "meshcache_outcome"), "{{meshcache_outcome}}"]],
    },
    {
      title: "Hit ratio",
      description: "A fall without a fall of the reads: look at evictions and invalidations.",
      unit: "percentunit",
      queries: [
        [
          `${rate("meshcache_reads_total", "instance", `, meshcache_outcome="hit"`)} / ${reads}`,
          "{{instance}}",
        ],
      ],
    },
    {
      title: "Writes",
      description: "Sets by result, and touches.",
      unit: "ops",
      queries: [
        [rate("meshcache_sets_total", "meshcache_outcome"), "{{meshcache_outcome}}"],
        [rate("meshcache_touches_total", "job"), "touched"],
      ],
    },
    {
      title: "Invalidations by target",
      description: "`all` clears a whole namespace.",
      unit: "ops",
      queries: [[rate("meshcache_invalidations_total", "meshcache_target"), "{{meshcache_target}}"]],
    },
    {
      title: "Leases by outcome",
      description:
        "`shared` are loads that nobody had to do. `lost` were invalidated while they were loaded.",
      unit: "ops",
      queries: [[rate("meshcache_leases_total", "meshcache_outcome"), "{{meshcache_outcome}}"]],
    },
    {
      title: "Calls by status",
      description: "A batch in a stream is not a call of its own.",
      unit: "ops",
      queries: [[rate("rpc_server_call_duration_count", "rpc_status_code"), "{{rpc_status_code}}"]],
    },
  ],
  Latency: [
    {
      title: "Duration of unary calls",
      description: "Streams are left out: their duration is their lifetime.",
      unit: "s",
      queries: [
        [callQuantile(0.5), "p50"],
        [callQuantile(0.99), "p99"],
        [callQuantile(0.999), "p99.9"],
      ],
    },
    {
      title: "Event loop delay",
      description:
        "How late the server gets to what has arrived. Above 50 ms it has too much work for its cores.",
      unit: "s",
      queries: [
        [`max by (instance) (nodejs_eventloop_delay_p99{${AT}})`, "p99 {{instance}}"],
        [`max by (instance) (nodejs_eventloop_delay_max{${AT}})`, "max {{instance}}"],
      ],
    },
  ],
  Store: [
    {
      title: "Memory of entries",
      description: "Used, and what entries may use.",
      unit: "bytes",
      queries: [
        [`sum by (instance) (meshcache_memory_usage{${AT}})`, "used {{instance}}"],
        [`sum by (instance) (meshcache_memory_limit{${AT}})`, "limit {{instance}}"],
      ],
    },
    {
      title: "Evictions by reason",
      description: "Many for `capacity`, beside as many Sets: the store is too small.",
      unit: "ops",
      queries: [[rate("meshcache_evictions_total", "meshcache_reason"), "{{meshcache_reason}}"]],
    },
    {
      title: "Fullest and emptiest shard",
      description: "Entries. A large difference is rare, and costs the fullest shard's entries their place.",
      unit: "short",
      queries: [
        [
          `max by (instance) (sum by (instance, meshcache_shard) (meshcache_entries{${AT}}))`,
          "fullest {{instance}}",
        ],
        [
          `min by (instance) (sum by (instance, meshcache_shard) (meshcache_entries{${AT}}))`,
          "emptiest {{instance}}",
        ],
      ],
    },
    {
      title: "Records merged or dropped",
      description: "Because a limit was reached. More entries than necessary become invalid.",
      unit: "ops",
      queries: [[rate("meshcache_pruned_total", "meshcache_record"), "{{meshcache_record}}"]],
    },
  ],
  Subscribers: [
    {
      title: "Subscriptions and connections",
      description: "A client has a connection and one subscription.",
      unit: "short",
      queries: [
        [`sum by (instance) (meshcache_subscribers{${AT}})`, "subscriptions {{instance}}"],
        [`sum by (instance) (meshcache_connections{${AT}})`, "connections {{instance}}"],
      ],
    },
    {
      title: "Lag of the slowest subscriber",
      description: "Events that it has not been sent. At the limit it gets a gap instead.",
      unit: "short",
      queries: [[`max by (instance) (meshcache_subscribers_lag{${AT}})`, "{{instance}}"]],
    },
    {
      title: "Gaps for slow readers",
      description: "Each makes a client distrust its copies.",
      unit: "ops",
      queries: [[rate("meshcache_subscribers_overruns_total", "instance"), "{{instance}}"]],
    },
  ],
  Defence: [
    {
      title: "Memory that requests and answers hold",
      description: "Arriving requests, waiting results, and answers that were not taken.",
      unit: "bytes",
      queries: [[`sum by (instance) (meshcache_held_memory_usage{${AT}})`, "{{instance}}"]],
    },
    {
      title: "Refused and ended",
      description: "Calls refused for memory, connections ended for floods of frames.",
      unit: "ops",
      queries: [
        [rate("meshcache_held_memory_refusals_total", "instance"), "refused for memory {{instance}}"],
        [rate("meshcache_connections_flooded_total", "meshcache_frame"), "flooded by {{meshcache_frame}}"],
        [
          rate("meshcache_admin_connections_refused_total", "instance"),
          "refused at the admin port {{instance}}",
        ],
      ],
    },
  ],
};
