/** Requests that are refused before they are decoded, by each way that a call is served. */
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Health, HealthCheckRequestSchema } from "../../../gen/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  BatchRequestSchema,
  CacheService,
  ExchangeRequestSchema,
  InvalidateRequestSchema,
  SetRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { encodeMessage, methodPath } from "../../../src/codec/messages.ts";
import { connectRaw, connectSingleStream, framed, type RawAnswer } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const { method } = CacheService;
const encode = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer =>
  framed(encodeMessage(schema, create(schema, message)));
const many = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`);
/** `count` fields of length 0 with this tag. */
const empty = (tag: number, count: number) => framed(Buffer.alloc(2 * count, Buffer.from([tag, 0])));

const tags = encode(SetRequestSchema, { namespace: "n", key: "k", tags: many(65_536) });
const keys = { target: { case: "keys" as const, value: { keys: Array(400_000).fill("k") } }, namespace: "n" };
const invalidate = { operation: { case: "invalidate" as const, value: keys } };
const set = { namespace: "n", key: "k", tags: many(65_536) };
const tooMany: readonly (readonly [what: string, path: string, body: Buffer])[] = [
  ["a Set of 65,536 tags", methodPath(method.set), tags],
  ["an Invalidate of 400,000 keys", methodPath(method.invalidate), encode(InvalidateRequestSchema, keys)],
  [
    "a Batch of 65,536 tags",
    methodPath(method.batch),
    encode(BatchRequestSchema, { operations: [{ operation: { case: "set", value: set } }] }),
  ],
  [
    "a Batch of 400,000 keys",
    methodPath(method.batch),
    encode(BatchRequestSchema, { operations: [invalidate] }),
  ],
  ["a Batch of 1.2 M empty operations", methodPath(method.batch), empty(0x12, 1_200_000)],
  ["a Batch of 600,000 unknown fields", methodPath(method.batch), empty(0x7a, 600_000)],
  [
    "an Exchange of 400,000 keys",
    methodPath(method.exchange),
    encode(ExchangeRequestSchema, { id: 1n, frame: { case: "batch", value: { operations: [invalidate] } } }),
  ],
  ["an Exchange of 1.2 M empty frames", methodPath(method.exchange), empty(0x22, 1_200_000)],
];
const long = "x".repeat(2_400_000);
const tooLarge: readonly (readonly [what: string, path: string, body: Buffer])[] = [
  [
    "a Watch of a long name",
    methodPath(Health.method.watch),
    encode(HealthCheckRequestSchema, { service: long }),
  ],
  [
    "a request of a long name for reflection",
    methodPath(ServerReflection.method.serverReflectionInfo),
    encode(ServerReflectionRequestSchema, {
      messageRequest: { case: "fileContainingSymbol", value: long },
    }),
  ],
];

describe.each(["on", "off"] as const)("with the accelerator %s", (acceleration) => {
  let running: RunningServer;
  beforeAll(async () => {
    running = await startServer({ acceleration });
  });
  afterAll(() => running.stop());

  const answers = async (path: string, body: Buffer): Promise<RawAnswer[]> => {
    const connections = [await connectRaw(running.address)];
    if (path.includes("CacheService")) connections.push(await connectSingleStream(running.address));
    const answered = await Promise.all(connections.map((raw) => raw.call(path, body)));
    for (const raw of connections) raw.close();
    return answered;
  };

  it.each(tooMany)("A4: %s is refused before it is decoded", async (_, path, body) => {
    for (const { grpcStatus, reason, grpcMessage } of await answers(path, body)) {
      expect([grpcStatus, reason]).toEqual([status.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"]);
      expect(decodeURIComponent(grpcMessage)).toMatch(/^request_fields is limited to \d+$/);
    }
  });

  it.each(tooLarge)("A2: %s is refused by its length", async (_, path, body) => {
    for (const { grpcStatus, reason, grpcMessage } of await answers(path, body)) {
      expect([grpcStatus, reason]).toEqual([status.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"]);
      expect(decodeURIComponent(grpcMessage)).toMatch(/^receive_max_bytes is limited to \d+$/);
    }
  });

  it("A2: a Check of a long name is NOT_FOUND by its length", async () => {
    const body = encode(HealthCheckRequestSchema, { service: long });
    const [answer] = await answers(methodPath(Health.method.check), body.subarray(0, 100));
    expect(answer?.grpcStatus).toBe(status.NOT_FOUND);
  });

  it("the largest batches of small operations are served", async () => {
    const operations = Array.from({ length: 1_024 }, (_, index) => ({
      operation: { case: "set" as const, value: { namespace: "n", key: `k${index}`, tags: many(16) } },
    }));
    const body = encode(BatchRequestSchema, { operations });
    for (const { grpcStatus } of await answers(methodPath(method.batch), body)) {
      expect(grpcStatus).toBe(status.OK);
    }
  });
});
