/** Calls that no client library would make: each gets its answer, and the server goes on. */
import { deflateRawSync, gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  GetRequestSchema,
  LeaseRequestSchema,
  SetRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { answerOf, connectRaw, framed, type RawConnection } from "../../support/raw-grpc.ts";
import { surviveWith } from "../../support/survival.ts";

const GET = "/meshcache.v1.CacheService/Get";
const LEASE = "/meshcache.v1.CacheService/Lease";
const SET = "/meshcache.v1.CacheService/Set";
const getMessage = toBinary(GetRequestSchema, create(GetRequestSchema, { namespace: "hostile", key: "k" }));
const get = framed(getMessage);

// A client that answers no ping for half of `stallMaxMs` loses its connection, and these clients share a busy core with the server.
const survivor = surviveWith({ transport: { halfCloseMaxMs: 1_000, stallMaxMs: 2_000 } });
let connection: RawConnection;

beforeEach(async () => {
  connection = await connectRaw(survivor().running.address);
});
afterEach(() => connection.close());

describe("a path", () => {
  it.each([
    "/meshcache.v1.CacheService/Nothing",
    "/__proto__/x",
    "/constructor/prototype",
    "/",
    "/\u00e9/\u00fc",
  ])("%j without a method is UNIMPLEMENTED", async (path) => {
    expect(await connection.call(path, get)).toMatchObject({ grpcStatus: status.UNIMPLEMENTED });
  });
});

describe("headers", () => {
  it("with another content type are HTTP 415", async () => {
    const answer = await connection.call(GET, get, { "content-type": "text/html" });
    expect(answer.httpStatus).toBe(415);
  });

  it("with a malformed deadline are INTERNAL", async () => {
    const answer = await connection.call(GET, get, { "grpc-timeout": "abc" });
    expect(answer.grpcStatus).toBe(status.INTERNAL);
    expect(answer.grpcMessage).not.toContain("abc");
  });

  it("with a deadline that passes are DEADLINE_EXCEEDED, with the reason", async () => {
    const lease = { namespace: "hostile", key: "awaited", waitMs: 30_000 };
    const message = framed(toBinary(LeaseRequestSchema, create(LeaseRequestSchema, lease)));
    await connection.call(LEASE, message);
    const answer = await connection.call(LEASE, message, { "grpc-timeout": "50m" });
    expect(answer).toMatchObject({ grpcStatus: status.DEADLINE_EXCEEDED, reason: "DEADLINE" });
  });

  it("with a deadline of centuries are served", async () => {
    const answer = await connection.call(GET, get, { "grpc-timeout": "99999999H" });
    expect(answer.grpcStatus).toBe(status.OK);
  });

  it("200 of them are refused", async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`x-header-${n}`, "v"]));
    const answer = await connection.call(GET, get, many);
    expect(answer.grpcStatus).not.toBe(status.OK);
    expect(answer.resetCode).not.toBe(0);
  });

  it("of 64 KiB are refused", async () => {
    const answer = await connection.call(GET, get, { "x-big": "v".repeat(65_536) });
    expect(answer.grpcStatus).not.toBe(status.OK);
  });

  it.each([
    ["key", { "x!canary": "v" }],
    ["value", { "x-header": "canary\u00ff" }],
    ["repeated value", { "set-cookie": ["a", "canary\u00ff"] }],
    ["binary value", { "x-header-bin": "%canary%" }],
  ])("with a malformed metadata %s are refused or ignored, and never logged raw", async (_, headers) => {
    const printed: unknown[] = [];
    const consoleError = console.error;
    console.error = (...texts: unknown[]) => printed.push(...texts);
    try {
      await connection.call(GET, get, headers);
    } finally {
      console.error = consoleError;
    }
    expect(printed.concat(survivor().log).join()).not.toContain("canary");
  });

  it("that are malformed end the call although its request has not ended", async () => {
    const stream = connection.open(GET, { "x!header": "v" });
    stream.write(get.subarray(0, 7));
    expect((await answerOf(stream)).grpcStatus).toBe(status.INVALID_ARGUMENT);
  });

  it("with a client id out of its bound are INVALID_ARGUMENT", async () => {
    const answer = await connection.call(GET, get, { "meshcache-client-id": "a b" });
    expect(answer.grpcStatus).toBe(status.INVALID_ARGUMENT);
  });
});

describe("a message", () => {
  it("that never ends is DEADLINE_EXCEEDED in time", async () => {
    const stream = connection.open(GET);
    stream.write(get.subarray(0, 7));
    expect(await answerOf(stream)).toMatchObject({
      grpcStatus: status.DEADLINE_EXCEEDED,
      reason: "DEADLINE",
    });
  });

  it.each([
    ["gzip", Buffer.from("garbage"), status.INTERNAL],
    ["deflate", Buffer.from("garbage"), status.INTERNAL],
    ["gzip", gzipSync(Buffer.alloc(64 << 20)), status.RESOURCE_EXHAUSTED],
    ["br", deflateRawSync(getMessage), status.UNIMPLEMENTED],
    ["__proto__", getMessage, status.UNIMPLEMENTED],
  ])("compressed as %s that cannot be decoded has its status", async (encoding, body, code) => {
    const answer = await connection.call(GET, framed(body, 1), { "grpc-encoding": encoding });
    expect(answer.grpcStatus).toBe(code);
  });

  it("with a length of 4 GiB is RESOURCE_EXHAUSTED", async () => {
    const answer = await connection.call(GET, framed(getMessage, 0, 0xffff_ffff));
    expect(answer).toMatchObject({ grpcStatus: status.RESOURCE_EXHAUSTED, reason: "LIMIT_EXCEEDED" });
  });

  it("that is incomplete is an error", async () => {
    const answer = await connection.call(GET, get.subarray(0, -1));
    expect(answer.grpcStatus).toBe(status.UNIMPLEMENTED);
  });

  it("that comes twice on a unary call is an error, and nothing was done", async () => {
    const set = framed(
      toBinary(SetRequestSchema, create(SetRequestSchema, { namespace: "hostile", key: "twice" })),
    );
    const answer = await connection.call(SET, Buffer.concat([set, set]));
    expect(answer.grpcStatus).toBe(status.UNIMPLEMENTED);
    expect(survivor().running.server.store.counters.sets).toBe(0);
  });

  it.each([
    ["is no protobuf", Buffer.from([0xff, 0xff, 0xff])],
    ["has a length past its end", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f])],
    ["has a negative length", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ["nests groups deeply", Buffer.alloc(200_000, 0x9b).fill(0x06, 1)],
    ["nests groups deeply, in one byte each", Buffer.alloc(200_000, 0x7b)],
    ["has text that is not UTF-8", Buffer.from([0x0a, 0x02, 0xc3, 0x28])],
    ["has a surrogate as text", Buffer.from([0x12, 0x03, 0xed, 0xa0, 0x80])],
  ])("that %s is INVALID_ARGUMENT, with the reason", async (_, message) => {
    const answer = await connection.call(GET, framed(message));
    expect(answer.grpcStatus).toBe(status.INVALID_ARGUMENT);
    expect(answer.reason).toBe("FIELD_INVALID");
  });

  it("with 1 MiB of unknown fields is answered by its known fields, and the rest is not kept", async () => {
    const unknown = Buffer.concat([Buffer.from([0xfa, 0x06, 0x80, 0x80, 0x40]), Buffer.alloc(1 << 20)]);
    expect((await connection.call(GET, framed(unknown))).grpcStatus).toBe(status.INVALID_ARGUMENT);
  });

  it("with an unknown service name of 2 MiB for health is refused without repeating it", async () => {
    const name = Buffer.concat([Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x01]), Buffer.alloc(2 << 20, 0x78)]);
    const answer = await connection.call("/grpc.health.v1.Health/Check", framed(name));
    expect(answer.grpcStatus).toBe(status.NOT_FOUND);
    expect(answer.grpcMessage.length).toBeLessThan(1_000);
  });

  it("that is a mutated copy of a good one at most fails", async () => {
    // mulberry32 with a fixed seed: every run makes the same mutations.
    let state = 20_260_722;
    const random = (below: number) => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    };
    const batch = Array.from({ length: 400 }, () => {
      const mutated = Buffer.from(get);
      for (let flips = 1 + random(4); flips > 0; flips--) mutated[random(mutated.length)] = random(256);
      return connection.call(GET, mutated);
    });
    for (const answer of await Promise.all(batch)) expect(answer.grpcStatus).toBeDefined();
  });
});

describe("a reader", () => {
  it("that takes none of 50 replies of 1 MiB is cut in time", async () => {
    const { running } = survivor();
    running.server.store.set({
      namespace: "hostile",
      key: "big",
      value: new Uint8Array(1 << 20),
      ttlMs: 0,
      staleMs: 0,
      tags: [],
      contentType: "",
      contentEncoding: "",
      absent: false,
      sourceVersion: 0n,
      condition: { kind: "always" },
      requestId: 0n,
      writer: { origin: "", traceparent: "" },
    });
    const stalled = await connectRaw(running.address, { settings: { initialWindowSize: 0 } });
    const bigGet = framed(
      toBinary(GetRequestSchema, create(GetRequestSchema, { namespace: "hostile", key: "big" })),
    );
    const answers = await Promise.all(Array.from({ length: 50 }, () => stalled.call(GET, bigGet)));
    // Reset, or ended with the deadline before its turn to answer.
    for (const { resetCode, grpcStatus } of answers) {
      if (resetCode === 0) expect(grpcStatus).toBe(status.DEADLINE_EXCEEDED);
    }
    expect((await stalled.call("/nothing/x", get)).grpcStatus).toBe(status.UNIMPLEMENTED);
    stalled.close();
  });
});
