/** Calls on connections with many streams: those that grpc-js serves beside the others, and peers that take no answers. */
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheService, SetRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { DEFAULT_WINDOW_BYTES, setting, settings } from "../../../src/http2/frame.ts";
import { eventually } from "../../support/eventually.ts";
import {
  body,
  call,
  GET,
  GREETING,
  ids,
  ManyStreamsPeer,
  open,
  reset,
  SETTINGS_ACK,
  update,
} from "../../support/many-streams-peer.ts";
import { framed } from "../../support/raw-grpc.ts";
import { CALL_HEADERS, FLAG } from "../../support/raw-http2.ts";
import { surviveWith } from "../../support/survival.ts";

const MAX_STREAMS = 5_000;
const survivor = surviveWith({
  transport: { connectionMaxStreams: MAX_STREAMS, turnMaxBytes: 64 * 1_024, flowControlWindowBytes: 2 ** 20 },
});
let peer: ManyStreamsPeer;
beforeEach(() => {
  peer = new ManyStreamsPeer(survivor().running.port);
});
afterEach(() => {
  peer.socket.destroy();
  expect(survivor().log).toEqual([]);
});

const EMPTY = framed(Buffer.alloc(0));
const WINDOW_MAX = 0x7fff_ffff;
const gzip = { ...CALL_HEADERS, "grpc-encoding": "gzip" };
const stats = { ...CALL_HEADERS, ":path": `/${AdminService.typeName}/Stats` };
const unknown = { ...CALL_HEADERS, ":path": "/nobody.Knows/This" };
const html = { ...CALL_HEADERS, "content-type": "text/html" };
const statsNow = () => survivor().running.client.unary(AdminService.method.stats, {});

describe("calls that grpc-js serves", () => {
  it("are answered beside the others", async () => {
    const zipped = framed(gzipSync(GET.subarray(5)), 1);
    peer.send(
      GREETING,
      call(1),
      open(3, gzip),
      body(3, zipped),
      call(5),
      open(7, stats),
      body(7, EMPTY),
      open(9, html),
      body(9, EMPTY),
      open(11, unknown),
      body(11, EMPTY),
      open(13, { ...CALL_HEADERS, ":method": "GET" }, FLAG.endStream),
      call(15),
    );
    await peer.ended(...ids(8));
    expect(ids(8).map((id) => [peer.fields.get(id)?.[":status"], peer.statusOf(id)])).toEqual([
      ["200", "0"],
      ["200", "0"],
      ["200", "0"],
      ["200", "0"],
      ["415", undefined],
      ["200", "12"],
      expect.anything(),
      ["200", "0"],
    ]);
    expect(peer.dataOf(7).length).toBeGreaterThan(20);
    expect(peer.goAways).toEqual([]);
  });

  it("end where their answer ends before their request, as on node:http2", async () => {
    peer.send(
      GREETING,
      SETTINGS_ACK,
      open(1, html),
      open(3, unknown),
      open(5, gzip),
      body(5, framed(Buffer.of(9), 0), 0),
    );
    await peer.until(() => [1, 3].every((id) => peer.resetOf(id) !== undefined));
    expect([peer.resetOf(1), peer.resetOf(3)]).toEqual([0, 0]);
    expect([peer.isEnded(1), peer.isEnded(3)]).toEqual([true, true]);
    // What was on its way is no fault.
    peer.send(body(1, Buffer.alloc(1_000)), body(3, EMPTY), call(7));
    await peer.ended(7);
    expect([peer.statusOf(7), peer.goAways]).toEqual(["0", []]);
  });

  it("take requests in pieces, and large ones through the windows", async () => {
    const value = Buffer.alloc(900_000, "v");
    const request = create(SetRequestSchema, { namespace: "n", key: "large", value });
    const zipped = framed(gzipSync(toBinary(SetRequestSchema, request)), 1);
    const plain = framed(toBinary(SetRequestSchema, request));
    const set = { ...gzip, ":path": "/meshcache.v1.CacheService/Set" };
    peer.send(GREETING, open(1, set), open(3, set));
    for (const byte of zipped.subarray(0, 200)) peer.send(body(1, Buffer.of(byte), 0));
    peer.send(body(1, zipped.subarray(200)));
    for (let at = 0; at < plain.length; at += 10_000) {
      peer.send(body(3, plain.subarray(at, at + 10_000), at + 10_000 >= plain.length ? 1 : 0));
    }
    await peer.ended(1, 3);
    expect([peer.statusOf(1), peer.statusOf(3)]).toEqual(["0", "0"]);
  });

  it("are cancelled with their stream", async () => {
    const path = `/${CacheService.typeName}/Stream`;
    const watch = framed(Buffer.from([0x0a, 1, 0x6e]));
    peer.send(
      GREETING,
      open(1, { ...gzip, ":path": path }),
      body(1, watch),
      open(3, { ...CALL_HEADERS, ":path": path }),
      body(3, watch),
    );
    await peer.until(() => peer.dataOf(1).length > 0 && peer.dataOf(3).length > 0);
    expect((await statsNow()).subscribers).toBe(2n);
    peer.send(reset(1));
    await eventually(async () => expect((await statsNow()).subscribers).toBe(1n));
    peer.socket.destroy();
    await eventually(async () => expect((await statsNow()).subscribers).toBe(0n));
  });
});

describe("hundreds of calls in one segment", () => {
  it("are answered over several turns, in order, and none is lost", async () => {
    const streams = ids(900);
    peer.send(GREETING, ...streams.map((id) => call(id)));
    await peer.ended(...streams);
    expect(streams.filter((id) => peer.statusOf(id) !== "0")).toEqual([]);
    const answered = peer.frames
      .filter(({ type, flags }) => type === 1 && (flags & 1) === 1)
      .map(({ id }) => id);
    expect(answered).toEqual(streams);
  });

  it("are answered when they come in pieces of any size", async () => {
    const streams = ids(300);
    const bytes = Buffer.concat([GREETING, ...streams.map((id) => call(id))]);
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 601) {
      peer.socket.write(bytes.subarray(at, at + size));
    }
    await peer.ended(...streams);
    expect(streams.filter((id) => peer.statusOf(id) !== "0")).toEqual([]);
  });
});

describe("a peer that sends calls and takes no answers", () => {
  it("is not read on, and served when it takes them", async () => {
    const { client } = survivor().running;
    const value = Buffer.alloc(20_000, "v");
    await client.unary(CacheService.method.set, { namespace: "n", key: "k", value });
    const hits = async () => (await statsNow()).operations?.hits ?? 0n;
    const before = await hits();
    peer.send(GREETING, SETTINGS_ACK, settings([[setting.initialWindowSize, WINDOW_MAX]]));
    peer.send(update(0, WINDOW_MAX - DEFAULT_WINDOW_BYTES));
    await peer.roundTrip();
    peer.socket.pause();
    const { arrayBuffers } = process.memoryUsage();
    const streams = ids(5_000);
    for (let at = 0; at < streams.length; at += 100) {
      peer.send(...streams.slice(at, at + 100).map((id) => call(id)));
    }
    // Others are served, and the server has read what it reads.
    let read = before;
    for (let same = 0; same < 50; ) {
      const now = await hits();
      same = now === read ? same + 1 : 0;
      read = now;
    }
    // What both sockets hold are some megabytes.
    expect(Number(read - before)).toBeLessThan(2_000);
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(3_000 * value.length);
    peer.socket.resume();
    await peer.ended(...streams);
    expect(streams.filter((id) => peer.statusOf(id) !== "0")).toEqual([]);
    expect(peer.goAways).toEqual([]);
  });
});
