/** A fault of the server: the log has the cause, and no caller learns of it. */
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import {
  CacheService,
  ExchangeRequestSchema,
  type ExchangeResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { createStore } from "../../../src/server/index.ts";
import type { Store } from "../../../src/store/api/store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { countUnhandled } from "../../support/unhandled.ts";

const { method } = CacheService;
const canary = "c4n4ry";
let running: RunningServer | undefined;

afterEach(() => running?.stop());

/** The store with some methods replaced by faulty ones. */
function withBug(store: Store, bug: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(name in bug ? bug : target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

const fail = () => {
  throw new TypeError(`${canary} is not a function`);
};

describe("a fault in a handler", () => {
  it("is INTERNAL for the caller, and is logged with its cause", async () => {
    const causes: unknown[] = [];
    const note = (fields: object) => causes.push(Reflect.get(fields, "err"));
    const telemetry = createNoTelemetry({ info: () => {}, warn: () => {}, error: note });
    const unhandled = countUnhandled();
    running = await startServer({ store: withBug(createStore(), { get: fail, subscribe: fail }), telemetry });
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

describe("a fault while events are read", () => {
  it("ends that stream and exchange with INTERNAL, and no other", async () => {
    const store = createStore();
    let faulty = false;
    const subscribe: Store["subscribe"] = (selectors, cursor, wake) => {
      const subscriber = store.subscribe(selectors, cursor, wake);
      const read = subscriber.read.bind(subscriber);
      subscriber.read = (maxEvents, maxBytes) => {
        return faulty ? fail() : read(maxEvents, maxBytes);
      };
      return subscriber;
    };
    const unhandled = countUnhandled();
    running = await startServer({ store: withBug(store, { subscribe }) });
    const { client } = running;
    const stream = client.serverStream(method.stream, { namespace: "n" });
    const exchange = client.bidi(method.exchange);
    exchange.on("data", () => {});
    const selectors = [{ namespace: "n" }];
    exchange.write(create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
    exchange.write(
      create(ExchangeRequestSchema, { id: 2n, frame: { case: "subscription", value: { selectors } } }),
    );
    await Promise.all([once(stream, "data"), once(exchange, "data")]);
    const ended = Promise.all([once(stream, "error"), once(exchange, "error")]);
    faulty = true;
    await client.unary(method.set, { namespace: "n", key: "k", value: Buffer.from("v") });
    for (const [error] of await ended) expect(error).toMatchObject({ details: "internal error" });
    faulty = false;
    expect((await client.unary(method.get, { namespace: "n", key: "k" })).outcome.case).toBe("hit");
    expect(unhandled.errors).toEqual([]);
    unhandled.stop();
  });
});
