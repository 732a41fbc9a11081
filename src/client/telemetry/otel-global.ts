/**
 * What the application has registered with OpenTelemetry's API, found without a copy of that package: all copies of
 * `@opentelemetry/api` 1.x in a process meet in one global object (`internal/global-utils` of the API). A copy of our own
 * would ignore what an older one has registered. This way any 1.x serves, bundled or not, and none need be installed.
 */
import type { Context, ContextManager, MeterProvider, Span, TracerProvider } from "@opentelemetry/api";

const REGISTRY: unique symbol = Symbol.for("opentelemetry.js.api.1");
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

interface Registry {
  readonly trace?: TracerProvider;
  readonly metrics?: MeterProvider;
  readonly context?: ContextManager;
}

interface Holder {
  readonly globalThis: unknown;
  readonly [REGISTRY]?: Registry;
}

/** Looked at for every operation: a plain property access takes a fifth of what `Reflect.get` does. */
const holder: Holder = globalThis;

/** Undefined as long as nothing has registered one, which may be later than the client is made. */
export function tracerProvider(): TracerProvider | undefined {
  return holder[REGISTRY]?.trace;
}

/** As `tracerProvider`. */
export function meterProvider(): MeterProvider | undefined {
  return holder[REGISTRY]?.metrics;
}

/** Runs `body` with the span as the active one. */
export function withSpan<Result>(span: Span, body: () => Result): Result {
  const manager = holder[REGISTRY]?.context;
  if (manager === undefined) return body();
  const active: Context = manager.active().setValue(SPAN_KEY, span);
  return manager.with(active, body);
}

/** The span that is active here, if any. */
export function activeSpan(): Span | undefined {
  const value = holder[REGISTRY]?.context?.active().getValue(SPAN_KEY);
  return value as Span | undefined;
}
