/** What an overloaded server refuses, by each way that an operation comes. */
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  CacheService,
  type OperationSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage, encodeMessage, methodPath } from "../../../src/codec/messages.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../../src/telemetry/telemetry.ts";
import { connectRaw, framed, type RawConnection, unframed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { until } from "../../support/until.ts";

const { method } = CacheService;
const namespace = "n";
const encode = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer =>
  framed(encodeMessage(schema, create(schema, message)));
const value = Buffer.from("v");

describe.each(["on", "off"] as const)(
  "A8: with the accelerator %s, a server short of memory",
  (acceleration) => {
    let running: RunningServer;
    let raw: RawConnection;
    let observed: ThreadObservation | undefined;

    beforeEach(async () => {
      // A megabyte is less than any process takes: Sets without a lease are refused from the first look on.
      running = await startServer({
        acceleration,
        transport: { residentMaxBytes: 2 ** 20 },
        telemetry: {
          ...createNoTelemetry(),
          observeThread: (thread) => {
            observed = thread;
            return () => {};
          },
        },
      });
      raw = await connectRaw(running.address);
      const set = encode(method.set.input, { namespace, key: "first", value });
      await until(
        () => raw.call(methodPath(method.set), set),
        ({ grpcStatus }) => grpcStatus === status.UNAVAILABLE,
      );
    });
    afterEach(async () => {
      raw.close();
      await running.stop();
    });

    it("refuses a Set with UNAVAILABLE, and says in a header when to come back", async () => {
      const stream = raw.open(methodPath(method.set));
      const trailers = new Promise<Record<string, unknown>>((resolve) => {
        stream.on("response", (headers) => "grpc-status" in headers && resolve({ ...headers }));
        stream.on("trailers", (headers) => resolve({ ...headers }));
      });
      stream.end(encode(method.set.input, { namespace, key: "k", value }));
      stream.resume();
      const { "grpc-status": code, "grpc-retry-pushback-ms": pushback } = await trailers;
      expect([Number(code), Number(pushback) > 0]).toEqual([status.UNAVAILABLE, true]);
      expect(observed?.shedOperations().set).toBeGreaterThan(0);
    });

    it("serves everything else, a fill and a release among it", async () => {
      const { client } = running;
      await client.unary(method.get, { namespace, key: "k" });
      const { outcome } = await client.unary(method.lease, { namespace, key: "k", leaseMs: 10_000 });
      if (outcome.case !== "granted") throw new Error("no lease");
      const { token } = outcome.value;
      const condition = { case: "leaseToken", value: token } as const;
      const filled = await client.unary(method.set, { namespace, key: "k", value, condition });
      expect(filled.outcome.case).toBe("stored");
      await client.unary(method.touch, { namespace, key: "k" });
      await client.unary(method.lease, { namespace, key: "k", releaseToken: token });
      await client.unary(method.invalidate, { namespace, target: { case: "all", value: true } });
    });

    it("refuses single operations of a batch", async () => {
      const operations: MessageInitShape<typeof OperationSchema>[] = [
        { operation: { case: "set", value: { namespace, key: "k", value } } },
        { operation: { case: "get", value: { namespace, key: "k" } } },
        { operation: { case: "increment", value: { namespace, key: "k" } } },
      ];
      const { body } = await raw.call(methodPath(method.batch), encode(BatchRequestSchema, { operations }));
      const [message = new Uint8Array()] = unframed(body);
      const { results } = decodeMessage(BatchResponseSchema, message);
      expect(results.map(({ result }) => result.case)).toEqual(["error", "get", "error"]);
      const unavailable = { result: { value: { code: status.UNAVAILABLE } } };
      expect(results).toMatchObject([unavailable, {}, unavailable]);
    });
  },
);
