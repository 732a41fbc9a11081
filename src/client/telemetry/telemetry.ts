/**
 * The OpenTelemetry signals of the client: a CLIENT span and a duration for each operation that goes to a server, the
 * counters of the near cache, and the results of the coherence probe. Without an SDK they cost a look for one. No signal
 * contains a key, a value or a token.
 */
import type { Attributes, SpanKind, SpanStatusCode, Tracer } from "@opentelemetry/api";
import type { ObservedName } from "./instruments.ts";
import { Measurements } from "./measurements.ts";
import type { OperationName, OperationTrace } from "./operation.ts";
import { ObservedOperation, startSpan, unobserved } from "./operation-trace.ts";
import { tracerProvider, withSpan } from "./otel-global.ts";

const SCOPE = "meshcache";
// The numbers of the API's enums, which are not imported: see otel-global.ts.
const INTERNAL: SpanKind.INTERNAL = 0;
const ERROR: SpanStatusCode.ERROR = 2;

/** Reads the values of the observed instruments, when metrics are collected. */
export type Observe = () => Readonly<Record<ObservedName, number>>;

export interface ClientTelemetry {
  /** `server.address` is "host:port". */
  operation(name: OperationName, namespace: string, server: { readonly address: string }): OperationTrace;
  /** Records a span for a near hit. Called only when the options ask for it. */
  nearHit(namespace: string): void;
  /** A probe ended: how stale the probed hit can have been, and whether that broke the promise. */
  probed(namespace: string, stalenessMs: number, violation: boolean): void;
  /** Runs a loader under a span of its own. */
  load<Result>(namespace: string, body: () => Promise<Result>): Promise<Result>;
  /** Registers the counters and gauges of the client. Returns a function that removes them. */
  observe(read: Observe): () => void;
}

export interface TelemetrySettings {
  readonly spans: boolean;
  /** Labels the counters of this client. Empty: a number that is unique in the process. */
  readonly clientId: string;
  /** In milliseconds with a fraction. Only durations in metrics use it. */
  readonly stopwatch?: () => number;
}

/** How many clients of this process have no client id. */
let unnamedClients = 0;

export function createClientTelemetry(settings: TelemetrySettings): ClientTelemetry {
  let registered: Tracer | undefined;
  const tracer = (): Tracer | undefined => {
    registered ??= tracerProvider()?.getTracer(SCOPE);
    return registered;
  };
  const measurements = new Measurements(SCOPE);
  const stopwatch = settings.stopwatch ?? (() => performance.now());

  return {
    operation(name, namespace, server) {
      const spans = settings.spans ? tracer() : undefined;
      const instruments = measurements.instruments();
      if (spans === undefined && instruments === undefined) return unobserved;
      const span = spans && startSpan(spans, name, namespace, server.address);
      return new ObservedOperation(name, namespace, span, instruments?.duration, stopwatch);
    },
    nearHit(namespace) {
      tracer()
        ?.startSpan("meshcache near hit", {
          kind: INTERNAL,
          attributes: { "meshcache.namespace": namespace, "meshcache.source": "near" },
        })
        .end();
    },
    probed(namespace, stalenessMs, violation) {
      const instruments = measurements.instruments();
      const attributes: Attributes = { "meshcache.namespace": namespace };
      instruments?.staleness.record(stalenessMs / 1_000, attributes);
      if (violation) instruments?.violations.add(1, attributes);
    },
    async load(namespace, body) {
      const spans = settings.spans ? tracer() : undefined;
      if (spans === undefined) return body();
      const attributes: Attributes = { "meshcache.namespace": namespace };
      const span = spans.startSpan("meshcache load", { kind: INTERNAL, attributes });
      try {
        return await withSpan(span, body);
      } catch (error) {
        span.setStatus({ code: ERROR });
        throw error;
      } finally {
        span.end();
      }
    },
    observe(read) {
      if (settings.clientId === "") unnamedClients += 1;
      return measurements.observe(read, settings.clientId || `${unnamedClients}`);
    },
  };
}
