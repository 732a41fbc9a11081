/** OpenTelemetry providers of the application that throw: no call fails, no stream ends, and the process goes on. */
import { type ContextManager, context, metrics, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { json, MeshCache } from "../../../src/index.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { countUnhandled, type UnhandledCount } from "../../support/unhandled.ts";

/** The method of the providers that throws now. */
let failing = "";
/** How often it did. */
let thrown = 0;

/** An object whose methods return `result`, and throw when one of them is `failing`. */
function provider(results: Readonly<Record<string, () => unknown>>): never {
  const methods = Object.entries(results).map(([name, result]) => [
    name,
    (...args: unknown[]) => {
      if (name !== failing) return result.apply(undefined, args as []);
      thrown += 1;
      throw new Error(`of ${name}`);
    },
  ]);
  return Object.fromEntries(methods) as never;
}

const nothing = () => undefined;
const span = provider({
  spanContext: () => ({ traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags: 1 }),
  setAttribute: nothing,
  setStatus: nothing,
  end: nothing,
});
const instrument = provider({ record: nothing, add: nothing });
const meter = provider({
  createHistogram: () => instrument,
  createCounter: () => instrument,
  createObservableCounter: () => instrument,
  createObservableGauge: () => instrument,
  addBatchObservableCallback: nothing,
  removeBatchObservableCallback: nothing,
});
const contexts: ContextManager = provider({
  disable: nothing,
  active: () => ROOT_CONTEXT,
  with: ((_context: unknown, body: () => unknown) => body()) as () => unknown,
});

const OF_SPANS = [
  "getTracer",
  "startSpan",
  "spanContext",
  "setAttribute",
  "setStatus",
  "end",
  "active",
  "with",
];
const OF_METRICS = ["getMeter", "createHistogram", "createObservableGauge", "addBatchObservableCallback"];
const AT_THE_END = ["record", "removeBatchObservableCallback"];

let server: RunningServer;
let unhandled: UnhandledCount;
const warned = vi.spyOn(process, "emitWarning").mockReturnValue(undefined);

beforeAll(async () => {
  unhandled = countUnhandled();
  server = await startServer();
});
beforeEach(() => {
  thrown = 0;
  warned.mockClear();
  trace.setGlobalTracerProvider(provider({ getTracer: () => provider({ startSpan: () => span }) }));
  metrics.setGlobalMeterProvider(provider({ getMeter: () => meter }));
  context.setGlobalContextManager(contexts);
});
afterEach(() => {
  failing = "";
  for (const api of [trace, metrics, context]) api.disable();
});
afterAll(async () => {
  await server.stop();
  warned.mockRestore();
  expect(unhandled.errors).toEqual([]);
  unhandled.stop();
});

describe("C1: telemetry that throws", () => {
  it.each([...OF_SPANS, ...OF_METRICS, ...AT_THE_END])("harms no call: %s", async (method) => {
    failing = method;
    const cache = new MeshCache({
      address: server.address,
      telemetry: { nearHitSpans: true, probeShare: 1 },
    });
    const users = cache.namespace(`of-${method.toLowerCase()}`, { codec: json<number>() });
    const fails = () => Promise.reject(new Error("of the loader"));
    const results = await Promise.allSettled([
      users.set("k", 1),
      users.get("other"),
      users.getOrLoad("loaded", async () => 2),
      users.getOrLoad("failed", fails),
      users.set("refused", 1, { sourceVersion: -1n }),
      users.invalidate({ keys: ["x"] }),
    ]);
    expect(results).toMatchObject([
      { value: { kind: "stored" } },
      { value: { kind: "miss" } },
      { value: 2 },
      { reason: { message: "of the loader" } },
      { reason: { reason: "FIELD_INVALID", detail: { field: "sourceVersion" } } },
      { value: { removed: 0 } },
    ]);
    await users.get("k");
    expect(await users.get("k")).toEqual({ kind: "hit", value: 1 });
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0 });
    await cache.close();
    expect(cache.stats().connection.inFlight).toBe(0);
    expect(thrown).toBeGreaterThan(0);
    expect(cache.stats().connection.faults).toBe(thrown);
    expect(warned).toHaveBeenCalled();
    expect(unhandled.errors).toEqual([]);
  });

  it("keeps a load from nothing: a context manager that runs the loader and then throws", async () => {
    context.disable();
    context.setGlobalContextManager({
      ...contexts,
      with(_context: unknown, body: () => unknown): never {
        body();
        throw new Error("after the loader");
      },
    } as never);
    await using cache = new MeshCache({ address: server.address });
    let loads = 0;
    expect(await cache.namespace("once").getOrLoad("k", () => ++loads)).toBe(1);
    expect(loads).toBe(1);
  });
});
