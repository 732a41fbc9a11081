/** What the proxy tells OpenTelemetry: spans of requests, durations of the origin, and what is read when metrics are collected. */
import type {
  BatchObservableCallback,
  Histogram,
  MeterProvider,
  Tracer,
  TracerProvider,
} from "@opentelemetry/api";
import type { InstrumentRow } from "../../telemetry/instruments.ts";
import type { Counts } from "./counts.ts";
import { observed, originDuration } from "./instruments.ts";
import { methodName, type OriginAddress, type OriginSpan, RequestSpan } from "./request-span.ts";

const SCOPE = "meshcache";
const BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Providers {
  /** Undefined: there are no spans, and what a client says of its trace goes on to the origin as it is. */
  readonly tracerProvider: TracerProvider | undefined;
  readonly meterProvider: MeterProvider;
}

/** What is read from a proxy, beside its counts. */
export interface ProxyReadings {
  readonly counts: Counts;
  connections(): number;
  waiting(): number;
  recordedBytes(): number;
}

/** One request to the origin. */
export interface OriginExchange {
  /** What the origin is told of the trace; undefined: what the client has sent. */
  readonly traceparent: string | undefined;
  /** `error`: a code, where the answer did not come to its end. */
  end(status: number | undefined, error?: string): void;
}

export class ProxyTelemetry {
  readonly #tracer: Tracer | undefined;
  readonly #providers: Providers | undefined;
  readonly #durations: Histogram | undefined;
  readonly #namespace: string;
  readonly #origin: OriginAddress;

  /** Without providers nothing is recorded. */
  constructor(providers: Providers | undefined, namespace: string, origin: OriginAddress) {
    this.#providers = providers;
    this.#namespace = namespace;
    this.#origin = origin;
    this.#tracer = providers?.tracerProvider?.getTracer(SCOPE);
    this.#durations = providers?.meterProvider.getMeter(SCOPE).createHistogram(originDuration.name, {
      ...described(originDuration),
      advice: { explicitBucketBoundaries: BOUNDS_S },
    });
  }

  /** Undefined: there are no spans. */
  startRequest(method: string, header: (name: string) => string | undefined): RequestSpan | undefined {
    return this.#tracer && new RequestSpan(this.#tracer, method, header, this.#namespace);
  }

  startOrigin(method: string, request: RequestSpan | undefined): OriginExchange {
    const span: OriginSpan | undefined = request?.startOrigin(method, this.#origin);
    const startedAtMs = performance.now();
    return {
      traceparent: span?.traceparent,
      end: (status, error) => {
        span?.end(status, error);
        this.#durations?.record((performance.now() - startedAtMs) / 1_000, {
          "http.request.method": methodName(method),
          "server.address": this.#origin.host,
          "server.port": this.#origin.port,
          ...(status !== undefined && { "http.response.status_code": status }),
          ...(error !== undefined && { "error.type": error }),
        });
      },
    };
  }

  /** Returns a function that ends it. */
  observe(readings: ProxyReadings): () => void {
    const meter = this.#providers?.meterProvider.getMeter(SCOPE);
    if (meter === undefined) return () => {};
    const rows = Object.entries(observed).map(([name, row]) => ({
      name: name as keyof typeof observed,
      row,
      instrument:
        row.kind === "counter"
          ? meter.createObservableCounter(row.name, described(row))
          : meter.createObservableGauge(row.name, described(row)),
    }));
    const all = rows.map(({ instrument }) => instrument);
    const callback: BatchObservableCallback = (result) => {
      const values = read(readings);
      for (const { name, row, instrument } of rows) {
        const [namespaceLabel = "", label = ""] = row.labels;
        const own = { [namespaceLabel]: this.#namespace };
        const value = values[name];
        if (typeof value === "number") result.observe(instrument, value, own);
        else
          for (const [of, count] of Object.entries(value))
            result.observe(instrument, count, { ...own, [label]: of });
      }
    };
    meter.addBatchObservableCallback(callback, all);
    return () => meter.removeBatchObservableCallback(callback, all);
  }
}

function read({
  counts,
  ...gauges
}: ProxyReadings): Record<keyof typeof observed, number | Readonly<Record<string, number>>> {
  return {
    requests: counts.requests,
    sentBytes: counts.sentBytes,
    originBytes: counts.originBytes,
    stored: counts.stored,
    notStored: counts.notStored,
    unacknowledged: counts.invalidationsUnacknowledged,
    refusedByLimit: counts.refusedByLimit,
    connections: gauges.connections(),
    waiting: gauges.waiting(),
    recordedBytes: gauges.recordedBytes(),
  };
}

const described = ({ unit, description }: InstrumentRow) => ({ unit, description });
