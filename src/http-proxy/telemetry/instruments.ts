/** The table of all instruments of the HTTP proxy: name, unit, description and labels of each. */
import { METRIC_HTTP_CLIENT_REQUEST_DURATION } from "@opentelemetry/semantic-conventions";
import type { InstrumentKind, InstrumentRow } from "../../telemetry/instruments.ts";
import { LIMITS, OUTCOMES, UNKEPT } from "./counts.ts";

const NAMESPACE = "meshcache.namespace";

function row(
  kind: InstrumentKind,
  name: string,
  unit: string,
  description: string,
  ...labels: string[]
): InstrumentRow {
  return { kind, name, unit, description, labels: [NAMESPACE, ...labels] };
}

/** Recorded at the end of each request to the origin. */
export const originDuration: InstrumentRow = {
  kind: "histogram",
  name: METRIC_HTTP_CLIENT_REQUEST_DURATION,
  unit: "s",
  description: "From a request to the origin to the end of its answer",
  labels: ["http.request.method", "http.response.status_code", "server.address", "server.port", "error.type"],
};

/** Read from the proxy when metrics are collected. */
export const observed = {
  requests: row(
    "counter",
    "meshcache.proxy.requests",
    "{request}",
    `Requests by what became of them: ${OUTCOMES.join(", ")}`,
    "meshcache.outcome",
  ),
  sentBytes: row(
    "counter",
    "meshcache.proxy.sent",
    "By",
    "Bytes of bodies that clients were sent, by where they came from: cache, origin",
    "meshcache.source",
  ),
  originBytes: row(
    "counter",
    "meshcache.proxy.origin.received",
    "By",
    "Bytes of bodies that the origin has sent",
  ),
  stored: row(
    "counter",
    "meshcache.proxy.stored",
    "{response}",
    "Answers of the origin that were given to the cache",
  ),
  notStored: row(
    "counter",
    "meshcache.proxy.not_stored",
    "{response}",
    `Answers of the origin that were not stored, by reason: ${UNKEPT.join(", ")}`,
    "meshcache.reason",
  ),
  unacknowledged: row(
    "counter",
    "meshcache.proxy.invalidations.unacknowledged",
    "{invalidation}",
    "Writes and purges whose invalidation no server has acknowledged in time. It is sent as soon as there is a connection",
  ),
  refusedByLimit: row(
    "counter",
    "meshcache.proxy.limits.refused",
    "{refusal}",
    `What was refused because a limit was reached, by the limit: ${LIMITS.join(", ")}`,
    "meshcache.limit",
  ),
  connections: row("gauge", "meshcache.proxy.connections", "{connection}", "Open connections of clients"),
  waiting: row(
    "gauge",
    "meshcache.proxy.origin.waiting",
    "{request}",
    "Requests that wait for a connection to the origin",
  ),
  recordedBytes: row(
    "gauge",
    "meshcache.proxy.recorded.memory.usage",
    "By",
    "Bytes of bodies that are on their way into the cache",
  ),
} as const;
