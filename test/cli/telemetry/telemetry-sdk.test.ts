import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OtlpReceiver, startOtlpReceiver } from "../../support/otlp-receiver.ts";
import { startTracedProcess, type TracedProcess } from "../../support/traced-process.ts";

const GET = "meshcache.v1.CacheService/Get";

let receiver: OtlpReceiver;
let traced: TracedProcess | undefined;

/** Makes one call in a process with these variables, and flushes its telemetry. */
const runOnce = async (env: Record<string, string>): Promise<readonly string[]> => {
  traced = await startTracedProcess(env);
  traced.telemetry.startCall(GET, () => undefined).end(0);
  await traced.stop();
  return traced.lines;
};

beforeEach(async () => {
  receiver = await startOtlpReceiver();
});
afterEach(async () => {
  await traced?.stop();
  await receiver.close();
});

describe("startTelemetrySdk()", () => {
  it.each([
    ["grpc", () => receiver.grpcUrl],
    ["http/protobuf", () => receiver.httpUrl],
    ["", () => receiver.httpUrl],
  ])("exports spans and metrics by the protocol %j", async (protocol, url) => {
    const lines = await runOnce({
      OTEL_EXPORTER_OTLP_ENDPOINT: url(),
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    });
    expect(receiver.spans.map((span) => span.name)).toEqual([GET]);
    expect(receiver.metrics.map((metric) => metric.name)).toContain("rpc.server.call.duration");
    expect(lines).toEqual([]);
  });

  it("names the service meshcache unless told otherwise", async () => {
    const OTEL_EXPORTER_OTLP_ENDPOINT = receiver.httpUrl;
    await runOnce({ OTEL_EXPORTER_OTLP_ENDPOINT });
    await runOnce({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME: "edge-cache" });
    await runOnce({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_RESOURCE_ATTRIBUTES: "service.name=eu,team=a" });
    const resources = receiver.spans.map((span) => span.resource);
    expect(resources.map((resource) => resource["service.name"])).toEqual(["meshcache", "edge-cache", "eu"]);
    expect(resources[0]?.["service.version"]).toBe("1.2.3");
    expect(resources[2]?.team).toBe("a");
    expect(Object.keys(resources[0] ?? {}).filter((name) => name.startsWith("process."))).toEqual([]);
  });

  it("exports and logs nothing without an endpoint, but has metrics", async () => {
    const attempts: string[] = [];
    const byDefault = createServer((socket) => {
      attempts.push("connection");
      socket.destroy();
    });
    // The default endpoint of the specification. If it is taken, another test watches it.
    await new Promise((resolve) =>
      byDefault.once("error", resolve).listen(4318, "127.0.0.1", () => resolve(undefined)),
    );
    try {
      traced = await startTracedProcess({});
      traced.telemetry.startCall(GET, () => undefined).end(0);
      expect(await traced.sdk.metricsText()).toContain(`rpc_method="${GET}"`);
      await traced.stop();
      expect(traced.lines).toEqual([]);
      expect(attempts).toEqual([]);
    } finally {
      byDefault.close();
    }
  });

  it("does nothing at all when OTEL_SDK_DISABLED is true", async () => {
    traced = await startTracedProcess({
      OTEL_SDK_DISABLED: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
    });
    traced.telemetry.startCall(GET, () => undefined).end(0);
    expect(await traced.sdk.metricsText()).toBe("# OTEL_SDK_DISABLED is set\n");
    await traced.stop();
    expect([receiver.spans, receiver.metrics, traced.lines]).toEqual([[], [], []]);
  });

  it("turns one signal off by its exporter", async () => {
    const lines = await runOnce({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.httpUrl,
      OTEL_TRACES_EXPORTER: "none",
    });
    expect(receiver.spans).toEqual([]);
    expect(receiver.metrics).not.toEqual([]);
    expect(lines).toEqual([]);
  });

  it("samples as OTEL_TRACES_SAMPLER says", async () => {
    await runOnce({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.httpUrl,
      OTEL_TRACES_SAMPLER: "parentbased_always_off",
    });
    expect(receiver.spans).toEqual([]);
  });

  it("logs that a collector does not answer, and does not wait for it", async () => {
    await receiver.close();
    traced = await startTracedProcess({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.httpUrl });
    traced.telemetry.startCall(GET, () => undefined).end(0);
    const before = performance.now();
    await traced.stop(200);
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(traced.lines.map((line) => JSON.parse(line).level)).toContain("warn");
  });
});
