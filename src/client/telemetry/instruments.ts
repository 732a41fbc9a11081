/** The one table of what the client measures: names, units, meanings and labels. */

export type InstrumentKind = "histogram" | "counter" | "gauge";

export interface InstrumentRow {
  readonly name: string;
  readonly kind: InstrumentKind;
  /** UCUM. */
  readonly unit: string;
  readonly description: string;
  /** Names of the labels. Never a key, a value or a token. */
  readonly labels: readonly string[];
}

const NAMESPACE = "meshcache.namespace";
const CLIENT = "meshcache.client.id";

function row(
  kind: InstrumentKind,
  name: string,
  unit: string,
  description: string,
  ...labels: string[]
): InstrumentRow {
  return { kind, name: `meshcache.client.${name}`, unit, description, labels };
}

/** Recorded when it happens. */
export const recorded = {
  operationDuration: row(
    "histogram",
    "operation.duration",
    "s",
    "From the call of an operation to its answer",
    "meshcache.operation",
    NAMESPACE,
    "meshcache.outcome",
    "error.type",
  ),
  probeStaleness: row(
    "histogram",
    "probe.staleness",
    "s",
    "The longest that a probed near hit can have been out of date; 0 when it was not",
    NAMESPACE,
  ),
  probeViolations: row(
    "counter",
    "probe.violations",
    "{hit}",
    "Probed near hits that contradict the server although no event was missing. Must stay 0",
    NAMESPACE,
  ),
} as const;

/** Read from the client when metrics are collected. */
export const observed = {
  nearHits: row("counter", "near.hits", "{read}", "Reads that the near cache answered", CLIENT),
  nearMisses: row("counter", "near.misses", "{read}", "Reads that had to ask the server", CLIENT),
  nearFills: row("counter", "near.fills", "{copy}", "Answers that were kept", CLIENT),
  nearFillsRefused: row(
    "counter",
    "near.fills_refused",
    "{copy}",
    "Answers that the fill rule kept out",
    CLIENT,
  ),
  nearInvalidated: row("counter", "near.invalidated", "{copy}", "Copies that a change removed", CLIENT),
  nearEvicted: row("counter", "near.evicted", "{copy}", "Copies that others took the place of", CLIENT),
  nearRevalidated: row(
    "counter",
    "near.revalidated",
    "{copy}",
    "Copies that the server said are still true",
    CLIENT,
  ),
  nearEntries: row("gauge", "near.entries", "{copy}", "Copies in the near caches", CLIENT),
  nearBytes: row("gauge", "near.bytes", "By", "Bytes that they take, about", CLIENT),
  loads: row("counter", "loads", "{load}", "Loaders that were run", CLIENT),
  loadsFailed: row("counter", "loads.failed", "{load}", "Loads that threw or took too long", CLIENT),
  loadsShared: row("counter", "loads.shared", "{call}", "Calls that shared a load of this process", CLIENT),
  loadsUnkept: row("counter", "loads.unkept", "{load}", "Loaded values that could not be stored", CLIENT),
  staleServed: row(
    "counter",
    "stale.served",
    "{call}",
    "Stale values served while another was loaded",
    CLIENT,
  ),
  probes: row("counter", "probes", "{hit}", "Near hits that were read again from the server", CLIENT),
  probesStale: row("counter", "probes.stale", "{hit}", "Of these, changed by the second look", CLIENT),
  streams: row("counter", "connection.streams", "{stream}", "Streams that became ready", CLIENT),
  failures: row(
    "counter",
    "connection.failures",
    "{failure}",
    "Attempts that failed, and streams that ended",
    CLIENT,
  ),
  gaps: row("counter", "connection.gaps", "{gap}", "Times that events may have been missed", CLIENT),
  faults: row("counter", "faults", "{fault}", "Callbacks that failed by a fault of the client", CLIENT),
  ready: row("gauge", "connection.ready", "1", "1 while there is a stream, else 0", CLIENT),
  batches: row("counter", "batches", "{batch}", "Messages of operations that were sent", CLIENT),
  operations: row("counter", "operations", "{operation}", "Operations that were sent", CLIENT),
  operationsRetried: row("counter", "operations.retried", "{operation}", "Of these, sent again", CLIENT),
  operationsInFlight: row(
    "gauge",
    "operations.in_flight",
    "{operation}",
    "Operations queued or under way",
    CLIENT,
  ),
} as const;

export type ObservedName = keyof typeof observed;
