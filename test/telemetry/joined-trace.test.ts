import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  CacheService,
  LeaseRequestSchema,
  OperationSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../support/otlp-receiver.ts";
import { connectRaw, framed } from "../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import {
  batchOfSets,
  type ClientSpan,
  exchangeBatch,
  startClientSpan,
  tapEvents,
} from "../support/traced-calls.ts";
import { startTracedProcess, type TracedProcess } from "../support/traced-process.ts";

const SET = "meshcache.v1.CacheService/Set";
const BATCH = "meshcache.v1.CacheService/Batch";
const EXCHANGE = "meshcache.v1.CacheService/Exchange";

let receiver: OtlpReceiver;
let traced: TracedProcess;
let running: RunningServer;

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  traced = await startTracedProcess({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  });
  running = await startServer({ telemetry: traced.telemetry });
});
afterEach(async () => {
  await running.stop();
  await traced.stop();
  await receiver.close();
});

const flush = async (): Promise<void> => {
  await running.stop();
  await traced.stop();
};
const spanOf = (caller: ClientSpan, name: string) =>
  receiver.spans.find((span) => span.name === name && span.parentSpanId === caller.spanId);

describe("one trace", () => {
  it("goes from a caller's span through a Set to the event's traceparent", async () => {
    const events = await tapEvents(running.client, "users");
    const caller = startClientSpan("save user");
    await running.client.unary(
      CacheService.method.set,
      { namespace: "users", key: "1" },
      { metadata: caller.metadata },
    );
    const [event] = await events.take(1);
    events.close();
    caller.end();
    await flush();

    const set = spanOf(caller, SET);
    expect(set).toMatchObject({
      kind: "SPAN_KIND_SERVER",
      traceId: caller.traceId,
      attributes: {
        "meshcache.namespace": "users",
        "meshcache.outcome": "stored",
        "meshcache.value.size": expect.anything(),
        "rpc.status_code": "OK",
      },
    });
    expect(event?.traceparent).toBe(`00-${caller.traceId}-${set?.spanId}-01`);
  });

  it.each([
    [
      "a Batch",
      BATCH,
      (sets: ReturnType<typeof batchOfSets>) => running.client.unary(CacheService.method.batch, sets),
    ],
    ["an Exchange", EXCHANGE, (sets: ReturnType<typeof batchOfSets>) => exchangeBatch(running.client, sets)],
  ])(
    "goes from each caller's span through its operation of %s to its own event",
    async (_name, carrier, send) => {
      const events = await tapEvents(running.client, "users");
      const callers = [startClientSpan("save user 1"), startClientSpan("save user 2")];
      // The third operation has no caller's span.
      await send(batchOfSets(["1", "2", "3"], callers));
      const seen = await events.take(3);
      events.close();
      for (const caller of callers) caller.end();
      await flush();

      const call = receiver.spans.find((span) => span.name === carrier);
      expect(call).toBeDefined();
      for (const [index, caller] of callers.entries()) {
        const set = spanOf(caller, SET);
        expect(set?.traceId).toBe(caller.traceId);
        expect(set?.links).toEqual([{ traceId: call?.traceId, spanId: call?.spanId }]);
        expect(set?.attributes).toMatchObject({
          "meshcache.batched": true,
          "meshcache.outcome": "stored",
          "meshcache.value.size": expect.anything(),
        });
        const event = seen.find(({ target }) => target.value === String(index + 1));
        expect(event?.traceparent).toBe(`00-${caller.traceId}-${set?.spanId}-01`);
      }
      expect(receiver.spans.filter((span) => span.name === SET)).toHaveLength(2);
      // An event of an operation without a caller's span belongs to the span of the batch.
      const third = seen.find(({ target }) => target.value === "3");
      expect(third?.traceparent).toBe(`00-${call?.traceId}-${call?.spanId}-01`);
    },
  );

  it("has one span for each call, ended once, also when calls fail and streams are cancelled", async () => {
    const events = await tapEvents(running.client, "users");
    await expect(
      running.client.unary(CacheService.method.get, { namespace: "users", key: "" }),
    ).rejects.toMatchObject({ reason: "FIELD_INVALID" });
    const raw = await connectRaw(running.address);
    await raw.call("/meshcache.v1.CacheService/Touch", framed(Buffer.from([0xff])));
    raw.close();
    events.close();
    await flush();
    const ended = receiver.spans.map((span) => [span.name.split("/")[1], span.attributes["rpc.status_code"]]);
    expect(ended.sort()).toEqual([
      ["Get", "INVALID_ARGUMENT"],
      ["Stream", "CANCELLED"],
      ["Touch", "INVALID_ARGUMENT"],
    ]);
  });

  it("has a span for a waiting operation whose caller gave up", async () => {
    const lease = { namespace: "users", key: "1" };
    await running.client.unary(CacheService.method.lease, lease);
    const caller = startClientSpan("load user");
    const batch = create(BatchRequestSchema, {
      operations: [
        {
          operation: {
            case: "lease" as const,
            value: create(LeaseRequestSchema, { ...lease, waitMs: 30_000 }),
          },
          traceparent: caller.traceparent,
        },
      ].map((one) => create(OperationSchema, one)),
    });
    const waiting = running.client.unary(CacheService.method.batch, batch, { timeoutMs: 100 });
    await expect(waiting).rejects.toMatchObject({ reason: "DEADLINE" });
    await running.server.drain();
    await flush();
    expect(spanOf(caller, "meshcache.v1.CacheService/Lease")?.attributes).toMatchObject({
      "rpc.status_code": "CANCELLED",
    });
  });
});
