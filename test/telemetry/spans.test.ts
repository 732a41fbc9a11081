import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../support/otlp-receiver.ts";
import { startTracedProcess, type TracedProcess } from "../support/traced-process.ts";

const GET = "meshcache.v1.CacheService/Get";
const BATCH = "meshcache.v1.CacheService/Batch";
const [OK, INVALID_ARGUMENT, INTERNAL] = [0, 3, 13];
const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const sampled = `00-${traceId}-${spanId}-01`;
const unsampled = `00-${traceId}-${spanId}-00`;

const headers = (values: Record<string, string>) => (name: string) => values[name];

let receiver: OtlpReceiver;
let traced: TracedProcess | undefined;

const start = async (env: Record<string, string> = {}): Promise<TracedProcess> => {
  traced = await startTracedProcess({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    ...env,
  });
  return traced;
};
const flush = async (): Promise<void> => {
  await traced?.stop();
  traced = undefined;
};

beforeEach(async () => {
  receiver = await startOtlpReceiver();
});
afterEach(async () => {
  await flush();
  await receiver.close();
});

describe("startCall()", () => {
  it("starts a server span as the stable RPC conventions specify, with the caller's span as its parent", async () => {
    const call = (await start()).telemetry.startCall(
      GET,
      headers({ traceparent: sampled, tracestate: "vendor=1" }),
    );
    call.set({ namespace: "users", outcome: "hit", shard: 3, valueBytes: 10 });
    expect(call.sampled).toBe(true);
    expect(call.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    call.end(OK);
    await flush();

    expect(receiver.spans).toEqual([
      expect.objectContaining({
        name: GET,
        kind: "SPAN_KIND_SERVER",
        traceId,
        spanId: call.traceparent.slice(36, 52),
        parentSpanId: spanId,
        traceState: "vendor=1",
        statusCode: "STATUS_CODE_UNSET",
        attributes: {
          "rpc.system.name": "grpc",
          "rpc.method": GET,
          "rpc.status_code": "OK",
          "meshcache.namespace": "users",
          "meshcache.outcome": "hit",
          "meshcache.shard": 3,
          "meshcache.value.size": 10,
        },
      }),
    ]);
  });

  it("marks a fault of the server as an error, and not a fault of the caller", async () => {
    const { telemetry } = await start();
    telemetry.startCall(GET, headers({})).end(INTERNAL);
    telemetry.startCall(GET, headers({})).end(INVALID_ARGUMENT);
    await flush();

    expect(receiver.spans.map((span) => [span.statusCode, span.attributes["error.type"]])).toEqual([
      ["STATUS_CODE_ERROR", "INTERNAL"],
      ["STATUS_CODE_UNSET", undefined],
    ]);
    expect(receiver.spans[1]?.attributes["rpc.status_code"]).toBe("INVALID_ARGUMENT");
  });

  it("ends once, and does not change afterwards", async () => {
    const call = (await start()).telemetry.startCall(GET, headers({}));
    call.end(OK);
    call.end(INTERNAL);
    call.set({ outcome: "late" });
    await flush();

    expect(receiver.spans).toHaveLength(1);
    expect(receiver.spans[0]?.attributes).toMatchObject({ "rpc.status_code": "OK" });
    expect(receiver.spans[0]?.attributes).not.toHaveProperty("meshcache.outcome");
    const duration = receiver.metrics.find((metric) => metric.name === "rpc.server.call.duration");
    expect(duration?.points.map((point) => point.value)).toEqual([1]);
  });

  it("lets the sampler decide when the caller is not sampled", async () => {
    const call = (await start()).telemetry.startCall(GET, headers({ traceparent: unsampled }));
    expect([call.sampled, call.traceparent]).toEqual([false, ""]);
    call.end(OK);
    await flush();
    expect(receiver.spans).toEqual([]);

    (await start({ OTEL_TRACES_SAMPLER: "always_on" })).telemetry
      .startCall(GET, headers({ traceparent: unsampled }))
      .end(OK);
    await flush();
    expect(receiver.spans.map((span) => span.traceId)).toEqual([traceId]);
  });

  it("starts a new trace when the caller's context is malformed", async () => {
    (await start()).telemetry.startCall(GET, headers({ traceparent: `${sampled}-more` })).end(OK);
    await flush();
    expect(receiver.spans).toHaveLength(1);
    expect(receiver.spans[0]?.parentSpanId).toBe("");
    expect(receiver.spans[0]?.traceId).not.toBe(traceId);
  });

  it("bounds the number of method names", async () => {
    const { telemetry } = await start({ OTEL_TRACES_SAMPLER: "always_off" });
    for (let index = 0; index < 1_000; index++)
      telemetry.startCall(`made.up/Method${index}`, headers({})).end(OK);
    await flush();
    const duration = receiver.metrics.find((metric) => metric.name === "rpc.server.call.duration");
    expect(duration?.points.length).toBeLessThanOrEqual(256);
    const other = duration?.points.find((point) => point.attributes["rpc.method"] === "_OTHER");
    expect(other?.value).toBeGreaterThan(700);
  });
});

describe("startOperation()", () => {
  it("starts a span below the caller of the operation, linked to the span of the batch", async () => {
    const { telemetry } = await start();
    const batch = telemetry.startCall(BATCH, headers({}));
    const operation = telemetry.startOperation(batch, "set", sampled);
    operation?.set({ outcome: "stored" });
    operation?.end(OK);
    operation?.end(INTERNAL);
    batch.end(OK);
    await flush();

    expect(receiver.spans).toHaveLength(2);
    const [set, call] = receiver.spans;
    expect(set).toMatchObject({
      name: "meshcache.v1.CacheService/Set",
      traceId,
      parentSpanId: spanId,
      links: [{ traceId: call?.traceId, spanId: call?.spanId }],
      attributes: { "meshcache.batched": true, "meshcache.outcome": "stored", "rpc.status_code": "OK" },
    });
    expect(operation?.traceparent).toBe(`00-${traceId}-${set?.spanId}-01`);
  });

  it.each([
    ["empty", ""],
    ["malformed", `${sampled}0`],
    ["unsampled", unsampled],
  ])("is undefined when the traceparent is %s", async (_name, traceparent) => {
    const { telemetry } = await start();
    expect(
      telemetry.startOperation(telemetry.startCall(BATCH, headers({})), "get", traceparent),
    ).toBeUndefined();
  });

  it("is undefined when the sampler refuses", async () => {
    const { telemetry } = await start({ OTEL_TRACES_SAMPLER: "always_off" });
    expect(telemetry.startOperation(telemetry.startCall(BATCH, headers({})), "get", sampled)).toBeUndefined();
  });

  it("passes the context of the caller on to events without an SDK", async () => {
    const { telemetry } = await start({ OTEL_SDK_DISABLED: "true" });
    const call = telemetry.startCall(BATCH, headers({ traceparent: sampled }));
    expect([call.sampled, call.traceparent]).toEqual([false, sampled]);
    expect(telemetry.startOperation(call, "set", sampled)?.traceparent).toBe(sampled);
  });
});

describe("withCall()", async () => {
  it("puts the ids of a sampled call into log lines, and no ids of others", async () => {
    const { telemetry, logger, lines } = await start();
    const call = telemetry.startCall(GET, headers({ traceparent: sampled }));
    const result = telemetry.withCall(call, () => {
      logger.info({ shard: 1 }, "inside");
      return 42;
    });
    logger.warn({}, "outside");
    const unsampledCall = telemetry.startCall(GET, headers({ traceparent: unsampled }));
    telemetry.withCall(unsampledCall, () => logger.warn({}, "unsampled"));

    expect(result).toBe(42);
    const [inside, ...others] = lines.map((line) => JSON.parse(line));
    expect(inside).toMatchObject({
      level: "info",
      msg: "inside",
      shard: 1,
      trace_id: traceId,
      span_id: call.traceparent.slice(36, 52),
      trace_flags: "01",
    });
    for (const other of others) expect(other).not.toHaveProperty("trace_id");
  });
});

describe("createNoTelemetry()", () => {
  it("records nothing, and runs the body of withCall()", () => {
    const telemetry = createNoTelemetry();
    const call = telemetry.startCall(GET, headers({ traceparent: sampled }));
    expect([call.sampled, call.traceparent]).toEqual([false, ""]);
    expect(telemetry.startOperation(call, "get", sampled)).toBeUndefined();
    expect(telemetry.withCall(call, () => "ran")).toBe("ran");
  });
});

describe("startEngineCall()", () => {
  const call = { functionName: "mc_run", address: "10.0.0.7", port: 6379, operations: 3 };

  it("starts a client span below whoever asks, as the stable database conventions specify", async () => {
    const { telemetry } = await start();
    telemetry.startEngineCall(call, sampled)?.end("");
    telemetry.startEngineCall({ ...call, operations: 1 }, sampled)?.end("TENURE");
    await flush();
    expect(receiver.spans).toEqual([
      expect.objectContaining({
        name: "FCALL mc_run",
        kind: "SPAN_KIND_CLIENT",
        traceId,
        parentSpanId: spanId,
        statusCode: "STATUS_CODE_UNSET",
        attributes: {
          "db.system.name": "redis",
          "db.operation.name": "FCALL",
          "db.stored_procedure.name": "mc_run",
          "db.operation.batch.size": 3,
          "server.address": "10.0.0.7",
          "server.port": 6379,
        },
      }),
      expect.objectContaining({
        statusCode: "STATUS_CODE_ERROR",
        attributes: expect.objectContaining({ "db.response.status_code": "TENURE", "error.type": "TENURE" }),
      }),
    ]);
  });

  it.each([
    ["empty", ""],
    ["malformed", `${sampled}0`],
    ["unsampled", unsampled],
  ])("is undefined when the traceparent is %s", async (_name, traceparent) => {
    const { telemetry } = await start();
    expect(telemetry.startEngineCall(call, traceparent)).toBeUndefined();
  });
});
