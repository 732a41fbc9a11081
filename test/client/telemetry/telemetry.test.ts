/**
 * The signals of a client in a service with an OpenTelemetry SDK: spans, durations, counters, and no keys or
 * values.
 */
import { context, metrics, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { MetricReader } from "@opentelemetry/sdk-metrics";
import { NodeSDK, type NodeSDKConfiguration } from "@opentelemetry/sdk-node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { observed, recorded } from "../../../src/client/telemetry/instruments.ts";
import { json } from "../../../src/index.ts";
import { createScriptedClient, hit, keyEvent, NAMESPACE } from "../../support/scripted-client.ts";

type SpanProcessor = NonNullable<NodeSDKConfiguration["spanProcessors"]>[number];
type EndedSpan = Parameters<SpanProcessor["onEnd"]>[0];

class PulledMetrics extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

const ended: EndedSpan[] = [];
const reader = new PulledMetrics();
const sdk = new NodeSDK({
  serviceName: "test",
  autoDetectResources: false,
  metricReaders: [reader],
  logRecordProcessors: [],
  spanProcessors: [
    {
      onStart: () => undefined,
      onEnd: (span) => void ended.push(span),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    },
  ],
});

beforeAll(() => sdk.start());
afterAll(() => sdk.shutdown());
beforeEach(() => {
  ended.length = 0;
});

async function metric(name: string) {
  const { resourceMetrics } = await reader.collect();
  return resourceMetrics.scopeMetrics
    .flatMap(({ metrics }) => metrics)
    .find(({ descriptor }) => descriptor.name === name);
}

async function inSpan<Result>(body: (span: Span) => Promise<Result>): Promise<Result> {
  const span = trace.getTracer("test").startSpan("caller");
  try {
    return await context.with(trace.setSpan(context.active(), span), () => body(span));
  } finally {
    span.end();
  }
}

describe("Client telemetry", () => {
  it("gives each operation a CLIENT span that the server continues", async () => {
    const { cache, server, settle } = createScriptedClient();
    const users = cache.namespace(NAMESPACE, { codec: json<string>() });
    await settle();
    const caller = await inSpan(async (span) => {
      const reads = [users.get("secret-key"), users.get("other-key")];
      await settle();
      const { operations, answer } = server.link.takeBatch();
      answer(hit("secret-value", { revision: 5 }), hit("v", { revision: 5 }));
      await Promise.all(reads);
      const traceparents = operations.map(({ traceparent }) => traceparent);
      expect(new Set(traceparents).size).toBe(2);
      const { traceId } = span.spanContext();
      for (const one of traceparents) expect(one).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
      return span.spanContext();
    });
    const [get] = ended;
    expect(get).toMatchObject({
      name: "meshcache.v1.CacheService/Get",
      kind: SpanKind.CLIENT,
      parentSpanContext: { spanId: caller.spanId },
    });
    expect(get?.attributes).toEqual({
      "rpc.system.name": "grpc",
      "rpc.method": "meshcache.v1.CacheService/Get",
      "server.address": "server",
      "server.port": 1,
      "meshcache.namespace": NAMESPACE,
      "meshcache.outcome": "hit",
      "rpc.status_code": "OK",
    });
    expect(JSON.stringify(ended.map(({ name, attributes }) => [name, attributes]))).not.toContain("secret");
  });

  it("records the reason of a failed operation", async () => {
    const { cache, clock, settle } = createScriptedClient({ deadlineMs: 100 });
    const users = cache.namespace(NAMESPACE, { codec: json<string>() });
    const failed = users.get("k").catch(() => undefined);
    await settle();
    clock.advance(100);
    await failed;
    expect(ended[0]?.attributes).toMatchObject({
      "error.type": "DEADLINE",
      "rpc.status_code": "DEADLINE_EXCEEDED",
    });
    expect(ended[0]?.status.code).toBe(SpanStatusCode.ERROR);
  });

  it("counts near hits, and gives them spans only when the options ask for it", async () => {
    for (const nearHitSpans of [false, true]) {
      const { cache, server, settle } = createScriptedClient({
        clientId: `${nearHitSpans}`,
        telemetry: { nearHitSpans },
      });
      const users = cache.namespace(NAMESPACE, { codec: json<string>() });
      await settle();
      const read = users.get("k");
      await settle();
      server.link.takeBatch().answer(hit("v", { revision: 5 }));
      await read;
      ended.length = 0;
      await users.get("k");
      expect(ended.map(({ name }) => name)).toEqual(nearHitSpans ? ["meshcache near hit"] : []);
      const hits = await metric("meshcache.client.near.hits");
      const mine = hits?.dataPoints.find(
        ({ attributes }) => attributes["meshcache.client.id"] === `${nearHitSpans}`,
      );
      expect(mine?.value).toBe(1);
      await cache.close();
    }
  });

  it("measures durations by operation and outcome", async () => {
    const { cache, server, settle } = createScriptedClient();
    const users = cache.namespace("measured", { codec: json<string>() });
    await settle();
    const read = users.get("k");
    await settle();
    server.link.takeBatch().answer(hit("v", { revision: 5 }));
    await read;
    const duration = await metric("meshcache.client.operation.duration");
    expect(duration?.descriptor.unit).toBe("s");
    expect(duration?.dataPoints.map(({ attributes }) => attributes)).toContainEqual({
      "meshcache.operation": "Get",
      "meshcache.namespace": "measured",
      "meshcache.outcome": "hit",
    });
  });

  it("measures a client that was created before the SDK", async () => {
    const provider = metrics.getMeterProvider();
    metrics.disable();
    const { cache, server, settle } = createScriptedClient({ clientId: "early" });
    const users = cache.namespace("early", { codec: json<string>() });
    await settle();
    metrics.setGlobalMeterProvider(provider);
    const read = users.get("k");
    await settle();
    server.link.takeBatch().answer(hit("v", { revision: 5 }));
    await read;
    const ofClient = (one: Awaited<ReturnType<typeof metric>>) =>
      one?.dataPoints.filter(({ attributes }) => Object.values(attributes).includes("early"));
    expect(ofClient(await metric("meshcache.client.operation.duration"))?.length).toBe(1);
    expect(ofClient(await metric("meshcache.client.near.fills"))?.[0]?.value).toBe(1);
    await cache.close();
  });

  it("has exactly the instruments of its table", async () => {
    const { cache } = createScriptedClient({ clientId: "table" });
    for (const { name, unit, description, labels } of Object.values(observed)) {
      const found = await metric(name);
      expect(found?.descriptor).toMatchObject({ unit, description });
      const mine = found?.dataPoints.find(({ attributes }) => attributes["meshcache.client.id"] === "table");
      expect(Object.keys(mine?.attributes ?? {})).toEqual(labels);
    }
    for (const { name, unit, description } of Object.values(recorded)) {
      expect((await metric(name))?.descriptor ?? { unit, description }).toMatchObject({ unit, description });
    }
    await cache.close();
  });

  it("exports the violations and the staleness of the probe", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ telemetry: { probeShare: 1 } });
    const users = cache.namespace(NAMESPACE, { codec: json<string>() });
    await settle();
    for (const lost of [false, true]) {
      const read = users.get(`${lost}`);
      await settle();
      server.link.takeBatch().answer(hit("v1", { revision: 5 }));
      await read;
      server.link.stopAnswering();
      clock.advance(500);
      await users.get(`${lost}`);
      await settle();
      if (!lost) server.link.event(keyEvent(`${lost}`, { revision: 6 }));
      server.link.takeBatch().answer(hit("v2", { revision: 6 }));
    }
    const violations = await metric("meshcache.client.probe.violations");
    expect(violations?.dataPoints.map(({ value }) => value)).toEqual([1]);
    const staleness = await metric("meshcache.client.probe.staleness");
    expect(staleness?.dataPoints[0]?.value).toMatchObject({ count: 2, max: 1 });
  });

  it("runs a loader under a span, so that its calls belong to the trace", async () => {
    const { cache, server, settle } = createScriptedClient();
    server.autoEpoch = undefined;
    const users = cache.namespace(NAMESPACE, { codec: json<string>() });
    const load = inSpan((span) =>
      users.getOrLoad("k", () => {
        const inside = trace.getActiveSpan()?.spanContext();
        expect(inside?.traceId).toBe(span.spanContext().traceId);
        expect(inside?.spanId).not.toBe(span.spanContext().spanId);
        return "loaded";
      }),
    );
    await settle();
    // There is no server, so the loader runs without a lease.
    server.link.reset();
    expect(await load).toBe("loaded");
    expect(ended.map(({ name }) => name)).toContain("meshcache load");
  });
});
