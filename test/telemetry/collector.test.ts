import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { type Collector, findCollector, startCollector } from "../support/collector.ts";
import { startServer } from "../support/running-server.ts";
import { batchOfSets, startClientSpan } from "../support/traced-calls.ts";
import { startTracedProcess } from "../support/traced-process.ts";

const binary = findCollector();
if (binary === undefined) {
  console.log(
    "skipped: no OpenTelemetry Collector; scripts/build-otelcol.sh builds one, OTELCOL_BIN names one",
  );
}

describe.skipIf(binary === undefined)("a real OpenTelemetry Collector", () => {
  let collector: Collector;

  beforeEach(async () => {
    collector = await startCollector(binary ?? "");
  });
  afterEach(() => collector?.stop());

  it.each([
    ["grpc", () => collector.grpcUrl],
    ["http/protobuf", () => collector.httpUrl],
  ])("gets one trace from the caller to the operation, and the metrics, over %s", async (protocol, url) => {
    const traced = await startTracedProcess({
      OTEL_EXPORTER_OTLP_ENDPOINT: url(),
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    });
    const running = await startServer({ telemetry: traced.telemetry });
    const caller = startClientSpan("save user");
    await running.client.unary(CacheService.method.batch, batchOfSets(["1"], [caller]));
    caller.end();
    await traced.stop();
    await running.stop();

    await collector.printed(
      `Trace ID       : ${caller.traceId}`,
      `Parent ID      : ${caller.spanId}`,
      "Name           : meshcache.v1.CacheService/Set",
      "-> service.name: Str(meshcache)",
      "-> Name: rpc.server.call.duration",
      "-> Name: meshcache.sets",
    );
    expect(traced.lines).toEqual([]);
  });
});
