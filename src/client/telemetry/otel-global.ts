/**
 * What the application has registered with OpenTelemetry's API, found without a copy of that package: all copies of
 * `@opentelemetry/api` 1.x in a process meet in one global object (`internal/global-utils` of the API). A copy of our own
 * would ignore what an older one has registered. This way any 1.x serves, bundled or not, and none need be installed.
 */
import type { Context, ContextManager, MeterProvider, Span, TracerProvider } from "@opentelemetry/api";

const REGISTRY = Symbol.for("opentelemetry.js.api.1");
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

interface Registry {
  readonly trace?: TracerProvider;
  readonly metrics?: MeterProvider;
  readonly context?: ContextManager;
}

/** Undefined as long as nothing has registered one, which may be later than the client is made. */
export function tracerProvider(): TracerProvider | undefined {
  return registry()?.trace;
}

/** As `tracerProvider`. */
export function meterProvider(): MeterProvider | undefined {
  return registry()?.metrics;
}

/** Runs `body` with the span as the active one. */
export function withSpan<Result>(span: Span, body: () => Result): Result {
  const manager = registry()?.context;
  if (manager === undefined) return body();
  const active: Context = manager.active().setValue(SPAN_KEY, span);
  return manager.with(active, body);
}

function registry(): Registry | undefined {
  const found: unknown = Reflect.get(globalThis, REGISTRY);
  return isRegistry(found) ? found : undefined;
}

/** Its members are the API's own, which checks what is registered. */
function isRegistry(value: unknown): value is Registry {
  return typeof value === "object" && value !== null;
}
