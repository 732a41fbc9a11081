/** A1: streams that their peer has already reset, or resets at any moment, disturb nobody. */
import { connect as connectHttp2 } from "node:http2";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PREFACE, setting, settings } from "../../../src/http2/frame.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import {
  CALL_HEADERS,
  connectSocket,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  uint32,
} from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { testScheme, testSecrets } from "../../support/test-tls.ts";
import { countUnhandled, type UnhandledCount } from "../../support/unhandled.ts";

let running: RunningServer;
let unhandled: UnhandledCount;
/** What the boundary reported: it is the last resort, and none of these inputs may need it. */
let contained: unknown[];

beforeEach(async () => {
  contained = [];
  unhandled = countUnhandled();
  const note = (fields: object) => contained.push(fields);
  running = await startServer({ telemetry: createNoTelemetry({ info: note, warn: note, error: note }) });
});

afterEach(async () => {
  expect(await running.health()).toBe("SERVING");
  expect(unhandled.errors).toEqual([]);
  expect(contained).toEqual([]);
  await running.stop();
  unhandled.stop();
});

const UNKNOWN = "/nobody.Knows/This";
const KNOWN = CALL_HEADERS[":path"];
const prefaces = {
  "a connection of many streams": Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]),
  "a single-stream connection": Buffer.concat([PREFACE, settings([[setting.singleStream, 1]])]),
};

const calls: readonly (readonly [name: string, headers: Record<string, string>])[] = [
  ["an unknown path", { ...CALL_HEADERS, ":path": UNKNOWN }],
  ["a unary method", { ...CALL_HEADERS, ":path": KNOWN }],
  ["a streaming method", { ...CALL_HEADERS, ":path": "/meshcache.v1.CacheService/Exchange" }],
  ["a call for grpc-js", { ...CALL_HEADERS, "grpc-encoding": "gzip" }],
  ["a content type that is no gRPC", { ...CALL_HEADERS, "content-type": "text/html" }],
  ["a malformed metadata key", { ...CALL_HEADERS, "x!y": "1" }],
  ["a malformed metadata value", { ...CALL_HEADERS, "x-y": "\x7f" }],
  ["a path that is no text", { ...CALL_HEADERS, ":path": "/\xff" }],
  ["a malformed timeout", { ...CALL_HEADERS, "grpc-timeout": "abc" }],
  ["a timeout that has passed", { ...CALL_HEADERS, "grpc-timeout": "1n" }],
  ["reflection", { ...CALL_HEADERS, ":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" }],
  ["health", { ...CALL_HEADERS, ":path": "/grpc.health.v1.Health/Watch" }],
];

const message = Buffer.concat([Buffer.from([0]), uint32(0)]);
const endings: readonly (readonly [name: string, frames: (block: Buffer) => Buffer[]])[] = [
  ["HEADERS and RST_STREAM", (block) => [open(block), reset()]],
  ["HEADERS that end the stream and RST_STREAM", (block) => [open(block, FLAG.endStream), reset()]],
  ["a request and RST_STREAM", (block) => [open(block), frame(FRAME.data, 0, 1, message), reset()]],
  [
    "a whole request and RST_STREAM",
    (block) => [open(block), frame(FRAME.data, FLAG.endStream, 1, message), reset()],
  ],
];

function open(block: Buffer, flags = 0): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders | flags, 1, block);
}

function reset(): Buffer {
  return frame(FRAME.reset, 0, 1, uint32(8));
}

describe.each(Object.entries(prefaces))("A1: %s whose stream is reset in its first segment", (_, preface) => {
  it.each(endings)("%s", async (_name, frames) => {
    await Promise.all(
      calls.map(async ([, headers]) => {
        const { socket, closed } = await connectSocket(running.port, false);
        socket.write(Buffer.concat([preface, ...frames(headerBlock(headers))]));
        socket.end();
        await closed;
      }),
    );
  });

  it.each(endings)("%s, cut off by a reset of the connection", async (_name, frames) => {
    await Promise.all(
      calls.map(async ([, headers]) => {
        const { socket, closed, reset } = await connectSocket(running.port, false);
        socket.write(Buffer.concat([preface, ...frames(headerBlock(headers))]), reset);
        await closed;
      }),
    );
  });
});

describe("A1: a client of node:http2 that closes at once", () => {
  it.each([UNKNOWN, KNOWN])("after a request of %s", async (path) => {
    for (let round = 0; round < 20; round++) {
      const session = connectHttp2(`${testScheme}://${running.address}`, testSecrets);
      session.on("error", () => {});
      const stream = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
      });
      stream.on("error", () => {});
      // The preface, the request and its reset leave in one segment.
      session.once("connect", () => {
        stream.close(8);
        session.close();
      });
      const ended = new Promise((resolve) => session.once("close", resolve));
      await ended;
    }
  });
});
