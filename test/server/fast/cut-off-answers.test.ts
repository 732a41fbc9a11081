/** The memory of an answer that was cut off is used again, but not while a part of it is on its way to the peer: then it counts as held. */
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, expect, it } from "vitest";
import { GetRequestSchema, SetRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { connectRaw, framed } from "../../support/raw-grpc.ts";
import {
  CALL_HEADERS,
  connectSocket,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  PREFACE,
  uint32,
} from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { until } from "../../support/until.ts";

const VALUE_BYTES = 1_000_000;
const STREAMS = 32;
const HEAD_BYTES = 9;
const SETTINGS_INITIAL_WINDOW = 4;
const CANCEL = 8;
const at = { namespace: "n", key: "k" };
const get = framed(toBinary(GetRequestSchema, create(GetRequestSchema, at)));
const pathOf = (method: string): string => `/meshcache.v1.CacheService/${method}`;

let running: RunningServer | undefined;
afterEach(() => running?.stop());

function framesOf(bytes: Buffer): { readonly type: number; readonly body: Buffer }[] {
  const frames: { readonly type: number; readonly body: Buffer }[] = [];
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
    frames.push({ type: bytes.readUInt8(at + 3), body: bytes.subarray(at + HEAD_BYTES, end) });
    at = end;
  }
  return frames;
}

it("does not write to an answer that was cut off while a part of it is on its way", async () => {
  let heldBytes = () => 0;
  running = await startServer({
    telemetry: {
      ...createNoTelemetry(),
      observeProcess(_store, observed) {
        ({ heldBytes } = observed);
        return () => {};
      },
    },
  });
  const other = await connectRaw(running.address);
  const set = (fill: string) => {
    const message = create(SetRequestSchema, { ...at, value: Buffer.alloc(VALUE_BYTES, fill) });
    return other.call(pathOf("Set"), framed(toBinary(SetRequestSchema, message)));
  };
  await set("a");
  const { socket } = await connectSocket(running.port, false);
  socket.pause();
  const ids = Array.from({ length: STREAMS }, (_, index) => 1 + 2 * index);
  const block = headerBlock({ ...CALL_HEADERS, ":path": pathOf("Get") });
  const wide = Buffer.concat([Buffer.from([0, SETTINGS_INITIAL_WINDOW]), uint32(2 ** 31 - 1)]);
  socket.write(
    Buffer.concat([
      Buffer.from(PREFACE),
      frame(FRAME.settings, 0, 0, wide),
      frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 30)),
      ...ids.flatMap((id) => [
        frame(FRAME.headers, FLAG.endHeaders, id, block),
        frame(FRAME.data, FLAG.endStream, id, get),
      ]),
    ]),
  );
  await until(
    async () => heldBytes(),
    (bytes) => bytes > 8 * VALUE_BYTES,
  );
  socket.write(Buffer.concat(ids.map((id) => frame(FRAME.reset, 0, id, uint32(CANCEL)))));
  // Those are left of which the socket still reads a frame.
  const leftBytes = await until(
    async () => heldBytes(),
    (bytes) => bytes < 8 * VALUE_BYTES,
  );
  expect(leftBytes).toBeGreaterThanOrEqual(VALUE_BYTES);
  await set("b");
  for (let call = 0; call < STREAMS; call++) await other.call(pathOf("Get"), get);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
  const frames = await until(
    async () => framesOf(Buffer.concat(chunks)),
    (read) => read.some(({ type }) => type === FRAME.ping),
  );
  const data = frames.filter(({ type }) => type === FRAME.data);
  expect(data.length).toBeGreaterThan(0);
  // What else is in an answer comes before its value.
  for (const { body } of data) expect(body.subarray(body.length / 2).includes("b")).toBe(false);
  await until(
    async () => heldBytes(),
    (bytes) => bytes === 0,
  );
  socket.destroy();
  other.close();
});
