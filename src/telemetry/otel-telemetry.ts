/**
 * Telemetry through the OpenTelemetry API. The process decides which SDK is behind the providers, or none: then a call costs a
 * few small objects.
 */
import {
  type Attributes,
  type Context,
  context,
  type Meter,
  type MeterProvider,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import type { CallDurations } from "./call-durations.ts";
import { methodAttributes, SCOPE, statusAttributes } from "./conventions.ts";
import { endEngineCall, engineCallAttributes, engineCallName } from "./engine-spans.ts";
import { incomingContext } from "./incoming-context.ts";
import { CALL_DURATION_BOUNDS_S, instruments } from "./instruments.ts";
import { observeProcess, observeThread } from "./observation.ts";
import { MeasuredCall, RecordedOperation } from "./spans.ts";
import type { Logger, OperationSpan, Telemetry } from "./telemetry.ts";
import { formatTraceparent, maybeSampled, parseTraceparent } from "./traceparent.ts";

export interface TelemetryOptions {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  readonly logger: Logger;
  /** Records the durations of calls. Default: a histogram of the meter provider. */
  readonly callDurations?: CallDurations;
}

/** Records the durations of one series. */
interface Recorder {
  record(durationS: number): void;
}

/** The name of the conventions for an unknown method. */
const OTHER_METHOD = "_OTHER";
/** Bounds the number of series, although only registered methods get here today. */
const METHODS_MAX = 256;

export function createTelemetry(options: TelemetryOptions): Telemetry {
  const tracer = options.tracerProvider.getTracer(SCOPE);
  const meter = options.meterProvider.getMeter(SCOPE);
  const { callDurations } = options;
  const methods = createMethodTable(
    callDurations === undefined ? histogramOf(meter) : (attributes) => callDurations.series(attributes),
  );

  return {
    logger: options.logger,
    callDurations,
    startCall(method, header) {
      const known = methods.of(method);
      const parent = incomingContext(header);
      return new MeasuredCall(startSpan(tracer, known, parent), known.onEnd);
    },
    startOperation(call, operation, traceparent) {
      if (!maybeSampled(traceparent)) return undefined;
      const parent = parseTraceparent(traceparent);
      if (parent === undefined) return undefined;
      const known = methods.of(`meshcache.v1.CacheService/${capitalize(operation)}`);
      const links =
        call instanceof MeasuredCall && call.sampled ? [{ context: call.span.spanContext() }] : [];
      const span = tracer.startSpan(
        known.name,
        { kind: SpanKind.SERVER, attributes: known.batchedAttributes, links },
        trace.setSpanContext(ROOT_CONTEXT, parent),
      );
      return span.isRecording() ? new RecordedOperation(span) : passOn(formatTraceparent(span.spanContext()));
    },
    startEngineCall(call, traceparent) {
      if (!maybeSampled(traceparent)) return undefined;
      const parent = parseTraceparent(traceparent);
      if (parent === undefined) return undefined;
      const span = tracer.startSpan(
        engineCallName(call),
        { kind: SpanKind.CLIENT, attributes: engineCallAttributes(call) },
        trace.setSpanContext(ROOT_CONTEXT, parent),
      );
      return { end: (error) => endEngineCall(span, error) };
    },
    withCall(call, body) {
      // Entering a context costs more than a small call, and log lines show no ids of a call that is not sampled.
      if (!call.sampled || !(call instanceof MeasuredCall)) return body();
      return context.with(trace.setSpan(ROOT_CONTEXT, call.span), body);
    },
    observeProcess: (store, process) => observeProcess(meter, store, process),
    observeThread: (thread) => observeThread(meter, thread),
  };
}

interface KnownMethod {
  readonly name: string;
  readonly spanOptions: SpanOptions;
  readonly batchedAttributes: Attributes;
  readonly onEnd: (durationS: number, statusCode: number) => void;
}

function histogramOf(meter: Meter): (attributes: Attributes) => Recorder {
  const { name, unit, description } = instruments.callDuration;
  const histogram = meter.createHistogram(name, {
    unit,
    description,
    advice: { explicitBucketBoundaries: [...CALL_DURATION_BOUNDS_S] },
  });
  return (attributes) => ({ record: (durationS) => histogram.record(durationS, attributes, ROOT_CONTEXT) });
}

/** Keeps what all calls of a method share, so that a call allocates none of it. */
function createMethodTable(seriesOf: (attributes: Attributes) => Recorder): {
  of(method: string): KnownMethod;
} {
  const table = new Map<string, KnownMethod>();
  const add = (method: string): KnownMethod => {
    const known = describeMethod(method, seriesOf);
    table.set(method, known);
    return known;
  };
  const other = add(OTHER_METHOD);
  return { of: (method) => table.get(method) ?? (table.size < METHODS_MAX ? add(method) : other) };
}

function describeMethod(method: string, seriesOf: (attributes: Attributes) => Recorder): KnownMethod {
  const attributes = methodAttributes(method);
  const byStatus = new Map<number, Recorder>();
  const recorderOf = (statusCode: number): Recorder => {
    let found = byStatus.get(statusCode);
    if (found === undefined) {
      found = seriesOf({ ...attributes, ...statusAttributes(statusCode) });
      byStatus.set(statusCode, found);
    }
    return found;
  };
  return {
    name: method,
    spanOptions: { kind: SpanKind.SERVER, attributes },
    batchedAttributes: { ...attributes, "meshcache.batched": true },
    onEnd: (durationS, statusCode) => recorderOf(statusCode).record(durationS),
  };
}

function startSpan(tracer: Tracer, method: KnownMethod, parent: Context): Span {
  // The conventions name the span of an unknown method after its system.
  return tracer.startSpan(method.name === OTHER_METHOD ? "grpc" : method.name, method.spanOptions, parent);
}

/** Without an SDK nothing is recorded here, but events of the operation still join the trace of its caller. */
function passOn(traceparent: string): OperationSpan | undefined {
  return traceparent === "" ? undefined : { traceparent, set: () => {}, end: () => {} };
}

function capitalize(operation: string): string {
  return operation.charAt(0).toUpperCase() + operation.slice(1);
}
