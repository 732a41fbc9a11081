/**
 * The OpenTelemetry signals of the client: a CLIENT span and a duration for each operation that goes to a server, the
 * counters of the near cache, and the results of the coherence probe. Without an SDK they cost a look for one. No signal
 * contains a key, a value or a token.
 */
import type { Attributes, Span, SpanKind, SpanStatusCode, Tracer } from "@opentelemetry/api";
import type { Observations } from "./instruments.ts";
import { Measurements } from "./measurements.ts";
import type { OperationName, OperationTrace } from "./operation.ts";
import { endSpan, ObservedOperation, startSpan, unobserved } from "./operation-trace.ts";
import { tracerProvider, withSpan } from "./otel-global.ts";

const SCOPE = "meshcache";
// The numbers of the API's enums, which are not imported: see otel-global.ts.
const INTERNAL: SpanKind.INTERNAL = 0;
const ERROR: SpanStatusCode.ERROR = 2;

/** Reads the values of the observed instruments, when metrics are collected. */
export type Observe = () => Observations;

/** Never throws: what the application's OpenTelemetry providers throw is counted and reported, and loses a signal at most. */
export interface ClientTelemetry {
  /** `server.address` is "host:port". */
  operation(name: OperationName, namespace: string, server: { readonly address: string }): OperationTrace;
  /** Records a span for a near hit. Called only when the options ask for it. */
  nearHit(namespace: string, outage: boolean): void;
  /** A probe ended: how stale the probed hit can have been, and whether that broke the promise. */
  probed(namespace: string, stalenessMs: number, violation: boolean): void;
  /** Runs a loader under a span of its own. Rejects as `body`, which returns a rejected promise instead of throwing. */
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

/** `caught` is given what the application's OpenTelemetry providers throw. */
export function createClientTelemetry(
  settings: TelemetrySettings,
  caught: (error: unknown) => void,
): ClientTelemetry {
  let registered: Tracer | undefined;
  const tracer = (): Tracer | undefined => {
    registered ??= tracerProvider()?.getTracer(SCOPE);
    return registered;
  };
  const measurements = new Measurements(SCOPE, caught);
  const stopwatch = settings.stopwatch ?? (() => performance.now());
  const startLoad = (namespace: string): Span | undefined => {
    try {
      const attributes: Attributes = { "meshcache.namespace": namespace };
      return settings.spans
        ? tracer()?.startSpan("meshcache load", { kind: INTERNAL, attributes })
        : undefined;
    } catch (error) {
      caught(error);
      return undefined;
    }
  };

  return {
    operation(name, namespace, server) {
      const instruments = measurements.instruments();
      let span: Span | undefined;
      try {
        const spans = settings.spans ? tracer() : undefined;
        span = spans && startSpan(spans, name, namespace, server.address);
      } catch (error) {
        caught(error);
      }
      if (span === undefined && instruments === undefined) return unobserved;
      return new ObservedOperation(name, namespace, span, instruments?.duration, stopwatch, caught);
    },
    nearHit(namespace, outage) {
      try {
        tracer()
          ?.startSpan("meshcache near hit", {
            kind: INTERNAL,
            attributes: {
              "meshcache.namespace": namespace,
              "meshcache.source": "near",
              ...(outage ? { "meshcache.outage": true } : {}),
            },
          })
          .end();
      } catch (error) {
        caught(error);
      }
    },
    probed(namespace, stalenessMs, violation) {
      try {
        const instruments = measurements.instruments();
        const attributes: Attributes = { "meshcache.namespace": namespace };
        instruments?.staleness.record(stalenessMs / 1_000, attributes);
        if (violation) instruments?.violations.add(1, attributes);
      } catch (error) {
        caught(error);
      }
    },
    async load(namespace, body) {
      const span = startLoad(namespace);
      if (span === undefined) return body();
      try {
        return await runOnceWithSpan(span, body, caught);
      } catch (error) {
        try {
          span.setStatus({ code: ERROR });
        } catch (fault) {
          caught(fault);
        }
        throw error;
      } finally {
        endSpan(span, caught);
      }
    },
    observe(read) {
      if (settings.clientId === "") unnamedClients += 1;
      return measurements.observe(read, settings.clientId || `${unnamedClients}`);
    },
  };
}

/** Runs `body` once, with the span as the active one unless the application's context manager fails. */
function runOnceWithSpan<Result>(
  span: Span,
  body: () => Promise<Result>,
  caught: (error: unknown) => void,
): Promise<Result> {
  let running: Promise<Result> | undefined;
  const run = (): Promise<Result> => {
    running ??= body();
    return running;
  };
  try {
    withSpan(span, run);
  } catch (error) {
    caught(error);
  }
  return run();
}
