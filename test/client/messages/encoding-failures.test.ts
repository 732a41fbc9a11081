/** What passes the checks and cannot be encoded fails one call, or ends its stream, and never the process. */

import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService, type ExchangeRequest } from "../../../gen/meshcache/v1/cache_pb.ts";
import { createGrpcTransport } from "../../../src/client/transport/grpc-transport.ts";
import { createHttp2Transport } from "../../../src/client/transport/http2-transport.ts";
import type { Transport } from "../../../src/client/transport/transport.ts";
import { WireWriter } from "../../../src/codec/fast/writer.ts";
import { MeshCache } from "../../../src/index.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { countUnhandled, type UnhandledCount } from "../../support/unhandled.ts";

let server: RunningServer;
let unhandled: UnhandledCount;

beforeEach(async () => {
  unhandled = countUnhandled();
  server = await startServer();
});

afterEach(async () => {
  await server.stop();
  expect(unhandled.errors).toEqual([]);
  unhandled.stop();
});

/** The transport, with a hook for each frame just before it is encoded. */
const tampered = (transport: Transport, look: (frame: ExchangeRequest["frame"]) => void): Transport => ({
  open(address, handlers) {
    const link = transport.open(address, handlers);
    return {
      send(request, more) {
        look(request.frame);
        return link.send(request, more);
      },
      close: () => link.close(),
    };
  },
});

/** Makes operations with certain keys impossible to encode. */
function spoil(frame: ExchangeRequest["frame"]): void {
  if (frame.case !== "batch") return;
  for (const { operation } of frame.value.operations) {
    if (operation.case === "set" && operation.value.key === "poison") operation.value.sourceVersion = -1n;
    if (operation.case === "get" && operation.value.key === "poison") operation.value.key = "\ud800";
    if (operation.case === "touch" && operation.value.key === "poison") operation.value.ttlMs = -1n;
  }
}

const connect = (transport: Transport) =>
  new MeshCache({ address: server.address, nearCache: false, backoffMinMs: 1 }, { transport });

describe.each([
  ["HTTP/2", () => createHttp2Transport(loudBoundary)],
  ["grpc-js", () => createGrpcTransport(credentials.createInsecure(), loudBoundary)],
])("C2: an operation that cannot be encoded, over %s", (_name, create) => {
  it.each(["set", "get", "touch"] as const)("fails alone of its batch: %s", async (operation) => {
    const cache = connect(tampered(create(), spoil));
    const users = cache.namespace("users");
    await users.set("first", 1);
    const calls = {
      set: () => users.set("poison", 1),
      get: () => users.get("poison"),
      touch: () => users.touch("poison"),
    };
    const before = users.set("before", 1);
    const failed = Promise.allSettled([calls[operation]()]);
    const after = [users.set("after", 2), users.get("first"), users.invalidate({ keys: ["other"] })];
    expect(await before).toMatchObject({ kind: "stored" });
    expect(await Promise.all(after)).toMatchObject([
      { kind: "stored" },
      { kind: "hit", value: 1 },
      { removed: 0 },
    ]);
    expect(await failed).toMatchObject([
      { reason: { name: "CacheError", reason: "INTERNAL", cause: { message: expect.any(String) } } },
    ]);
    expect(await users.getMany(["before", "after"])).toMatchObject([{ value: 1 }, { value: 2 }]);
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0, retries: 0, inFlight: 0 });
    await cache.close();
  });

  it("fails alone when nothing is with it", async () => {
    const cache = connect(tampered(create(), spoil));
    const users = cache.namespace("users");
    await expect(users.set("poison", 1)).rejects.toMatchObject({ reason: "INTERNAL" });
    expect(await users.set("good", 1)).toMatchObject({ kind: "stored" });
    await cache.close();
  });

  it.each(["open", "subscription", "ping"])(
    "takes its stream with it when it is a frame: %s",
    async (kind) => {
      let spoilt = 0;
      const cache = connect(
        tampered(create(), (frame) => {
          if (frame.case === kind && spoilt++ === 0) throw new RangeError("of the encoder");
        }),
      );
      const users = cache.namespace("users");
      const events = users.subscribe();
      await events.isLive;
      expect(await users.set("good", 1)).toMatchObject({ kind: "stored" });
      expect(spoilt).toBeGreaterThan(1);
      expect(cache.stats().connection.failures).toBe(1);
      await cache.close();
    },
  );
});

describe("C1: a transport that cannot begin", () => {
  it("fails calls with its cause, and is tried again", async () => {
    const transport = createHttp2Transport(loudBoundary);
    let attempts = 0;
    const cache = connect({
      open(address, handlers) {
        attempts += 1;
        if (attempts === 1) throw new TypeError("of the address");
        return transport.open(address, handlers);
      },
    });
    const users = cache.namespace("users");
    const error = { reason: "UNAVAILABLE", cause: { message: "of the address" } };
    await expect(users.get("k")).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    await expect(users.get("k")).rejects.toMatchObject(error);
    await expect.poll(() => cache.stats().connection.state).toBe("ready");
    expect(await users.get("k")).toEqual({ kind: "miss" });
    await cache.close();
  });
});

describe("WireWriter", () => {
  it.each([-1n, 2n ** 64n, 2n ** 70n, Number.NaN])(
    "writes no integer that is none of 64 bits: %s",
    (value) => {
      const writer = new WireWriter();
      expect(() => writer.uint64(1, value as bigint)).toThrow();
      expect(() => writer.fixed64(1, value as bigint)).toThrow();
    },
  );

  it("writes what came after an integer that it refused", () => {
    const writer = new WireWriter();
    writer.fixed64(1, 3n);
    expect(() => writer.fixed64(1, 2n ** 64n + 5n)).toThrow(RangeError);
    writer.reset();
    writer.fixed64(1, 3n);
    expect([...writer.finish()]).toEqual([0x09, 3, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("A unary call", () => {
  it("rejects a request that cannot be encoded", async () => {
    const call = server.client.unary(CacheService.method.set, { namespace: "users", key: "k", ttlMs: -1n });
    await expect(call).rejects.toMatchObject({
      name: "CacheError",
      reason: "INTERNAL",
      cause: expect.any(Error),
    });
    expect(await server.health()).toBe("SERVING");
  });
});
