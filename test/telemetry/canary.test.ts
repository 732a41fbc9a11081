import { inspect } from "node:util";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import {
  CacheService,
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  InvalidateRequest_Mode,
  type InvalidateRequestSchema,
  OpenSchema,
  type OperationSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../support/otlp-receiver.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { tapEvents } from "../support/traced-calls.ts";
import { startTracedProcess, type TracedProcess } from "../support/traced-process.ts";

/** A word that occurs nowhere else. It is put into every field that a caller controls. */
const CANARY = "kanarienvogel";
const key = `${CANARY}-key`;
const value = new TextEncoder().encode(`${CANARY}-value`);
const { method } = CacheService;
const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const metadata = new Metadata();
metadata.set("traceparent", sampled);
metadata.set("authorization", `Bearer ${CANARY}-token`);
metadata.set("x-request-id", `${CANARY}-header`);

type InvalidateTarget = NonNullable<MessageInitShape<typeof InvalidateRequestSchema>["target"]>;

let receiver: OtlpReceiver;
let traced: TracedProcess;
let running: RunningServer;
let failures: unknown[];

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  traced = await startTracedProcess({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  });
  running = await startServer({ telemetry: traced.telemetry });
  failures = [];
});
afterEach(async () => {
  await running.stop();
  await traced.stop();
  await receiver.close();
});

/** A call that must fail. Its error is searched too. */
const failing = async (call: Promise<unknown>): Promise<void> => {
  const error = await call.then(
    () => expect.unreachable("the call was answered"),
    (reason: unknown) => reason,
  );
  failures.push(error);
};

/** Everything that left the server except successful answers, as text. */
const everything = async (): Promise<string> => {
  const metrics = await traced.sdk.metricsText();
  await traced.stop();
  const statuses = failures.map((error) => inspect(error, { depth: 9, showHidden: true }) + bytesOf(error));
  return [receiver.text(), metrics, ...traced.lines, ...statuses].join("\n");
};

/** Every byte array in the error as text: the details of a status are bytes. */
const bytesOf = (error: unknown): string => {
  const found: string[] = [];
  const visit = (part: unknown): void => {
    if (part instanceof Uint8Array) found.push(Buffer.from(part).toString("latin1"));
    else if (part instanceof Map) for (const one of part.values()) visit(one);
    else if (typeof part === "object" && part !== null) for (const one of Object.values(part)) visit(one);
  };
  visit(error);
  return found.join("\n");
};

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const expectNone = (text: string, tokens: readonly bigint[]): void => {
  const needles = [
    CANARY,
    base64(value).slice(4, 16),
    Buffer.from(value).toString("hex"),
    ...tokens.flatMap((token) => [token.toString(), token.toString(16), BigInt.asIntN(64, token).toString()]),
  ];
  const lower = text.toLowerCase();
  expect(needles.filter((needle) => lower.includes(needle.toLowerCase()))).toEqual([]);
};

const entry = { namespace: "users", key, value, tags: [`${CANARY}-tag`], contentType: `${CANARY}/type` };

/** Every operation once with each outcome; returns the tokens. */
const useEverything = async (): Promise<bigint[]> => {
  const { client } = running;
  const options = { metadata };
  const tokens: bigint[] = [];
  const events = await tapEvents(client, "users");
  await client.unary(method.get, { namespace: "users", key }, options);
  const lease = await client.unary(method.lease, { namespace: "users", key }, options);
  if (lease.outcome.case === "granted") tokens.push(lease.outcome.value.token);
  await client.unary(method.lease, { namespace: "users", key }, options);
  await client.unary(
    method.set,
    { ...entry, condition: { case: "leaseToken", value: tokens[0] ?? 0n }, requestId: 77n },
    options,
  );
  await client.unary(
    method.set,
    { ...entry, condition: { case: "leaseToken", value: tokens[0] ?? 0n } },
    options,
  );
  await client.unary(method.get, { namespace: "users", key }, options);
  await client.unary(method.touch, { namespace: "users", key, ttlMs: 1_000n }, options);
  const targets: InvalidateTarget[] = [
    { case: "keys", value: { keys: [key] } },
    { case: "tags", value: { tags: [`${CANARY}-tag`] } },
    { case: "prefix", value: CANARY },
    { case: "all", value: true },
  ];
  for (const target of targets) {
    await client.unary(
      method.invalidate,
      { namespace: "users", target, mode: InvalidateRequest_Mode.HARD },
      options,
    );
  }
  const operations: MessageInitShape<typeof OperationSchema>[] = [
    { operation: { case: "set", value: entry }, traceparent: sampled },
    { operation: { case: "get", value: { namespace: "users", key } }, traceparent: sampled },
    { operation: { case: "get", value: { namespace: `${CANARY}!`, key } }, traceparent: sampled },
    { operation: { case: "get", value: { namespace: "users", key: key.repeat(99) } }, traceparent: sampled },
    { traceparent: sampled },
    { operation: { case: "lease", value: { namespace: "users", key: `${key}-2` } }, traceparent: CANARY },
  ];
  const { results } = await client.unary(method.batch, { operations }, options);
  for (const { result } of results) {
    if (result.case === "error") failures.push(result.value);
    if (result.case !== "lease" || result.value.outcome.case !== "granted") continue;
    tokens.push(result.value.outcome.value.token);
  }
  await client.unary(AdminService.method.stats, {}, options);
  events.close();
  return tokens;
};

const failEverything = async (): Promise<void> => {
  const { client } = running;
  const options = { metadata };
  await failing(client.unary(method.get, { namespace: `${CANARY}!`, key }, options));
  await failing(client.unary(method.get, { namespace: "users", key: key.repeat(99) }, options));
  await failing(
    client.unary(method.set, { ...entry, value: new Uint8Array(2 << 20).fill(value[0] ?? 0) }, options),
  );
  await failing(client.unary(method.set, { ...entry, tags: [`${CANARY}`.repeat(99)] }, options));
  await failing(client.unary(method.set, { ...entry, contentType: `${CANARY}\r\n\u001b[31m` }, options));
  await failing(client.unary(method.invalidate, { namespace: "users" }, options));
  await failing(client.unary(method.batch, { namespace: `${CANARY}!` }, options));
  const badClient = new Metadata();
  badClient.set("meshcache-client-id", `${CANARY} ${CANARY}`);
  badClient.set("traceparent", CANARY);
  await failing(client.unary(method.get, { namespace: "users", key }, { metadata: badClient }));
  // grpc-js repeats the path of an unknown method to its caller: that is not a key, and it goes nowhere else.
  await failing(rawCall("/meshcache.v1.CacheService/Unknown", Buffer.from(CANARY)));
  await failing(rawCall("/meshcache.v1.CacheService/Get", Buffer.from(`${CANARY} no protobuf`)));
  await failing(drain(client.serverStream(method.stream, { namespace: "users", cursor: value }, options)));
  await failing(
    drain(client.serverStream(method.stream, { namespace: "users", prefixes: [key.repeat(99)] }, options)),
  );
  await failing(refusedFrame(client.bidi(method.exchange, options)));
};

const rawCall = (path: string, request: Buffer): Promise<unknown> => {
  const client = new Client(running.address, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    const same = (bytes: Buffer): Buffer => bytes;
    client.makeUnaryRequest(path, same, same, request, metadata, (error, response) => {
      client.close();
      if (error === null) resolve(response);
      else reject(error);
    });
  });
};

/** The error of a refused frame, whether the exchange goes on after it or ends. */
const refusedFrame = async (
  exchange: ClientDuplexStream<ExchangeRequest, ExchangeResponse>,
): Promise<void> => {
  const open = { case: "open", value: create(OpenSchema, { clientId: `${CANARY}!` }) } as const;
  exchange.write(create(ExchangeRequestSchema, { id: 1n, frame: open }));
  for await (const { frame } of exchange) if (frame.case === "error") throw frame.value;
};

const drain = async (stream: AsyncIterable<unknown>): Promise<void> => {
  for await (const _frame of stream);
};

describe("spans, metrics, log lines and statuses", () => {
  it("contain no key, value, tag, prefix, token or header of calls that succeed", async () => {
    const tokens = await useEverything();
    expect(tokens).toHaveLength(2);
    const text = await everything();
    expect(receiver.spans.length).toBeGreaterThan(15);
    expectNone(text, tokens);
  });

  it("contain none of calls that fail", async () => {
    await failEverything();
    const text = await everything();
    expect(failures).toHaveLength(13);
    expectNone(text, []);
  });

  it("are searched: the test finds each of them when it does leak", async () => {
    const { telemetry, logger } = traced;
    const call = telemetry.startCall(`${CANARY}.1`, () => undefined);
    call.set({ namespace: `${CANARY}.2` });
    call.end(0);
    logger.info({ key: `${CANARY}.3` }, "leak");
    await failing(Promise.reject({ details: [{ value: Buffer.from(`${CANARY}.4`) }] }));
    const text = await everything();
    for (const leak of [1, 2, 3, 4]) expect(text).toContain(`${CANARY}.${leak}`);
    expect(text).toContain(`rpc_method="${CANARY}.1"`);
    expect(() => expectNone(text, [])).toThrow();
    expect(() => expectNone("token 255", [255n])).toThrow();
  });
});
