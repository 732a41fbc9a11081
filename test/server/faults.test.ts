/** A fault of the server: its log has the cause, and nobody else has anything. */
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import {
  CacheService,
  ExchangeRequestSchema,
  type ExchangeResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { createStore } from "../../src/server/index.ts";
import type { Store } from "../../src/store/store.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { countUnhandled } from "../support/unhandled.ts";

const { method } = CacheService;
const canary = "c4n4ry";
let running: RunningServer | undefined;

afterEach(() => running?.stop());

/** A store whose reads and subscriptions fail, as a bug would make them. */
function faultyStore(): Store {
  const store = createStore();
  const fail = () => {
    throw new TypeError(`${canary} is not a function`);
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === "get" || name === "subscribe") return fail;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

describe("a fault in a handler", () => {
  it("is INTERNAL without a cause outside, and logged with its cause inside", async () => {
    const causes: unknown[] = [];
    const note = (fields: object) => causes.push(Reflect.get(fields, "err"));
    const telemetry = createNoTelemetry({ info: () => {}, warn: () => {}, error: note });
    const unhandled = countUnhandled();
    running = await startServer({ store: faultyStore(), telemetry });
    const { client } = running;
    const at = { namespace: "n", key: "k" };

    const failure: unknown = await client.unary(method.get, at).catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: "INTERNAL", message: "internal error", detail: {} });
    const { results } = await client.unary(method.batch, {
      operations: [{ operation: { case: "get", value: at } }, { operation: { case: "touch", value: at } }],
    });
    expect(results.map(({ result }) => result.case)).toEqual(["error", "touch"]);
    const stream = client.serverStream(method.stream, { namespace: "n" });
    const [streamFailure] = await once(stream, "error");
    expect(streamFailure.code).toBe(status.INTERNAL);

    const call = client.bidi(method.exchange);
    const responses: ExchangeResponse[] = [];
    call.on("data", (response) => responses.push(response));
    call.write(create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
    const selectors = [{ namespace: "n" }];
    call.write(
      create(ExchangeRequestSchema, { id: 2n, frame: { case: "subscription", value: { selectors } } }),
    );
    call.write(create(ExchangeRequestSchema, { id: 3n, frame: { case: "ping", value: { nonce: 1n } } }));
    call.end();
    await once(call, "end");
    expect(responses.map(({ frame }) => frame.case)).toEqual(["opened", "error", "progress"]);

    const outside = JSON.stringify([failure, results, streamFailure.details, responses], (_, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    expect(outside).not.toContain(canary);
    expect(causes).toHaveLength(4);
    for (const cause of causes) expect(String(cause)).toContain(canary);
    expect(unhandled.errors).toEqual([]);
    unhandled.stop();
  });
});
