/** The table of all instruments of the client: names, units, meanings and labels. */

export type InstrumentKind = "histogram" | "counter" | "gauge";

export interface InstrumentRow {
  readonly name: string;
  readonly kind: InstrumentKind;
  /** In UCUM. */
  readonly unit: string;
  readonly description: string;
  /** Names of the labels. No label contains a key, a value or a token. */
  readonly labels: readonly string[];
}

const NAMESPACE = "meshcache.namespace";
const CLIENT = "meshcache.client.id";
/** What a row counts one by one, beside the client. */
export const EVENT = "meshcache.event";

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
    "How stale a probed near hit can have been at most; 0 when it was current",
    NAMESPACE,
  ),
  probeViolations: row(
    "counter",
    "probe.violations",
    "{hit}",
    "Probed near hits that contradict the server although no event is missing. Must stay 0",
    NAMESPACE,
  ),
} as const;

/** Read from the client when metrics are collected. */
export const observed = {
  nearHits: row("counter", "near.hits", "{read}", "Reads that the near cache answered", CLIENT),
  nearMisses: row("counter", "near.misses", "{read}", "Reads that had to ask the server", CLIENT),
  nearOutageHits: row(
    "counter",
    "near.outage_hits",
    "{read}",
    "Reads that were answered in an outage, where outageTtlMs allows it",
    CLIENT,
  ),
  nearFills: row("counter", "near.fills", "{entry}", "Responses that were kept", CLIENT),
  nearFillsRefused: row(
    "counter",
    "near.fills_refused",
    "{entry}",
    "Responses that were not kept, mostly by the fill rule",
    CLIENT,
  ),
  nearInvalidated: row(
    "counter",
    "near.invalidated",
    "{entry}",
    "Entries that an event or an own write removed",
    CLIENT,
  ),
  nearEvicted: row("counter", "near.evicted", "{entry}", "Entries that were evicted to make room", CLIENT),
  nearRevalidated: row("counter", "near.revalidated", "{entry}", "Entries that the server confirmed", CLIENT),
  nearEntries: row("gauge", "near.entries", "{entry}", "Entries in the near caches", CLIENT),
  nearBytes: row("gauge", "near.bytes", "By", "Estimated size of the entries in the near caches", CLIENT),
  loads: row("counter", "loads", "{load}", "Loader runs", CLIENT),
  loadsFailed: row("counter", "loads.failed", "{load}", "Loader runs that threw or took too long", CLIENT),
  loadsShared: row(
    "counter",
    "loads.shared",
    "{call}",
    "Calls that joined a load in flight in this process",
    CLIENT,
  ),
  loadsUnkept: row("counter", "loads.unkept", "{load}", "Loaded values that were not stored", CLIENT),
  loadFailuresRepeated: row(
    "counter",
    "loads.failures_repeated",
    "{call}",
    "Calls that got the error of a load that had failed just before",
    CLIENT,
  ),
  loadFailuresForgotten: row(
    "counter",
    "loads.failures_forgotten",
    "{key}",
    "Failed loads that were forgotten before their cooldown was over",
    CLIENT,
  ),
  staleServed: row(
    "counter",
    "stale.served",
    "{call}",
    "Stale values that were served during a load",
    CLIENT,
  ),
  probes: row("counter", "probes", "{hit}", "Near hits that were read again from the server", CLIENT),
  probesStale: row(
    "counter",
    "probes.stale",
    "{hit}",
    "Probed hits whose entry the server had already changed",
    CLIENT,
  ),
  invalidationsWaiting: row(
    "gauge",
    "invalidations.waiting",
    "{name}",
    "Keys, tags and prefixes whose queued invalidation no server has acknowledged yet",
    CLIENT,
  ),
  invalidationsQueued: row(
    "counter",
    "invalidations.queued",
    "{invalidation}",
    "Invalidations that had no connection or got no answer, and were queued",
    CLIENT,
  ),
  invalidationsOverflows: row(
    "counter",
    "invalidations.overflows",
    "{clear}",
    "Times that the queued invalidations of a namespace became a clear of it",
    CLIENT,
  ),
  invalidationsRefused: row(
    "counter",
    "invalidations.refused",
    "{name}",
    "Names of queued invalidations that a server refused for good",
    CLIENT,
  ),
  valuesCompressed: row(
    "counter",
    "values.compressed",
    "{value}",
    "Values that were sent compressed",
    CLIENT,
  ),
  valuesSavedBytes: row(
    "counter",
    "values.saved",
    "By",
    "How much shorter compressed values were, when they were sent",
    CLIENT,
  ),
  valuesDecompressed: row("counter", "values.decompressed", "{value}", "Values that came compressed", CLIENT),
  streams: row("counter", "connection.streams", "{stream}", "Streams that became ready", CLIENT),
  failures: row(
    "counter",
    "connection.failures",
    "{failure}",
    "Connection attempts that failed, and streams that ended",
    CLIENT,
  ),
  gaps: row("counter", "connection.gaps", "{gap}", "Times that events may have been missed", CLIENT),
  faults: row(
    "counter",
    "faults",
    "{fault}",
    "Callbacks that failed because of a defect in the client or in the telemetry of the application",
    CLIENT,
  ),
  events: row("counter", "events", "{event}", "What `onEvent` is told of, by kind", CLIENT, EVENT),
  namespaces: row("gauge", "namespaces", "{namespace}", "Namespaces that are open", CLIENT),
  selectors: row("gauge", "subscription.selectors", "{selector}", "Selectors of the subscription", CLIENT),
  wideSelectors: row(
    "gauge",
    "subscription.wide_selectors",
    "{selector}",
    "Selectors of all namespaces whose names have a prefix, because there are too many for one each",
    CLIENT,
  ),
  unwantedEvents: row(
    "counter",
    "subscription.unwanted_events",
    "{event}",
    "Events that such selectors brought of namespaces that are not open here",
    CLIENT,
  ),
  ready: row("gauge", "connection.ready", "1", "1 while there is a stream, else 0", CLIENT),
  batches: row("counter", "batches", "{batch}", "Batches of operations that were sent", CLIENT),
  operations: row("counter", "operations", "{operation}", "Operations that were sent", CLIENT),
  operationsRetried: row(
    "counter",
    "operations.retried",
    "{operation}",
    "Operations that were sent again",
    CLIENT,
  ),
  operationsInFlight: row(
    "gauge",
    "operations.in_flight",
    "{operation}",
    "Operations that are queued or under way",
    CLIENT,
  ),
} as const;

export type ObservedName = keyof typeof observed;

/** The values of the instruments; of one with the label `EVENT` by its values. */
export type Observations = Readonly<Record<Exclude<ObservedName, "events">, number>> & {
  readonly events: Readonly<Record<string, number>>;
};
