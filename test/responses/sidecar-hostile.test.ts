/** The sidecar among peers that are broken, slow or malicious: each gets an answer, costs no more than it may, and others are served. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Sidecar, startSidecar } from "../../src/responses/sidecar/index.ts";
import type { SidecarLimits } from "../../src/responses/sidecar/limits.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { eventually } from "../support/eventually.ts";
import { buildDescriptors, loadUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

const HOST = "127.0.0.1";
const MIB = 2 ** 20;
const descriptors = buildDescriptors();
const users = loadUsers(false);
const GET = "/users.v1.UserService/GetUser";
const RENAME = "/users.v1.UserService/RenameUser";

const undo: (() => unknown)[] = [];
const faults: unknown[] = [];
let mesh: TestCache;

beforeEach(async () => {
  mesh = await startTestCache({ client: PATIENT });
});
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
  await mesh.close();
  expect(faults.splice(0)).toEqual([]);
});

/** A message behind its flag and its length. */
function framed(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const requestOf = (method: string, request: object): Buffer =>
  framed(users[method]?.requestSerialize(request as never) ?? Buffer.alloc(0));
const ask = (userId: number, more = {}) => requestOf("GetUser", { tenantId: "acme", userId, ...more });
const user = (name: string) => framed(users.GetUser?.responseSerialize({ name } as never) ?? Buffer.alloc(0));

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** Answers as a service does whose response is `body`. */
function respond(
  stream: ServerHttp2Stream,
  body: Buffer,
  trailers: OutgoingHttpHeaders = { "grpc-status": "0" },
) {
  stream.on("error", () => {});
  if (stream.destroyed) return;
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(body);
}

function listening(server: Server | Http2Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, HOST, () => resolve((server.address() as AddressInfo).port)),
  );
}

async function startService(serve: Serve): Promise<number> {
  const server = createServer();
  server.on("session", (session) => {
    session.on("error", () => {});
    undo.push(() => session.destroy());
  });
  server.on("stream", serve);
  undo.push(() => server.close());
  return listening(server);
}

async function start(
  port: number,
  limits: Partial<SidecarLimits> = {},
  loadTimeoutMs = 10_000,
): Promise<Sidecar> {
  const sidecar = await startSidecar(
    {
      ...PATIENT_WRITES,
      cache: mesh.cache,
      loadTimeoutMs,
      upstream: { host: HOST, port },
      listen: { host: HOST, port: 0 },
      services: [descriptors],
      onFault: (error) => faults.push(error),
    },
    { limits },
  );
  undo.push(() => sidecar.close());
  return sidecar;
}

class Peer {
  readonly session: ClientHttp2Session;
  error: Error | undefined;

  constructor({ address }: Sidecar, options: Parameters<typeof connect>[1] = {}) {
    this.session = connect(`http://${address}`, options);
    this.session.on("error", (error: Error) => {
      this.error = error;
    });
    undo.push(() => this.session.destroy());
  }

  open(path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const all = {
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    };
    const stream = this.session.request(all, { endStream: false });
    stream.on("error", () => {});
    return stream;
  }

  call(path: string, body: Buffer, headers: OutgoingHttpHeaders = {}): Promise<Seen> {
    const stream = this.open(path, headers);
    const seen = seenOf(stream);
    stream.end(body);
    return seen;
  }
}

interface Seen {
  /** Of gRPC; undefined: none came. */
  readonly code: number | undefined;
  readonly details: unknown;
  readonly mark: unknown;
  readonly body: Buffer;
  readonly rstCode: number | undefined;
}

function seenOf(stream: ClientHttp2Stream): Promise<Seen> {
  const chunks: Buffer[] = [];
  let response: IncomingHttpHeaders = {};
  let end: IncomingHttpHeaders = {};
  stream.on("response", (headers) => {
    response = headers;
  });
  stream.on("trailers", (headers) => {
    end = headers;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) =>
    stream.on("close", () => {
      const text = end["grpc-status"] ?? response["grpc-status"];
      resolve({
        code: text === undefined ? undefined : Number(text),
        details: end["grpc-message"] ?? response["grpc-message"],
        mark: response["x-meshcache"] ?? end["x-meshcache"],
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode,
      });
    }),
  );
}

describe("callers of a sidecar", () => {
  /** How often the service was called, by path. */
  const calls: string[] = [];
  let port: number;

  beforeEach(async () => {
    calls.length = 0;
    port = await startService((stream, headers) => {
      calls.push(String(headers[":path"]));
      stream.resume();
      stream.on("error", () => {});
      stream.on("end", () => {
        if (headers[":path"] === "/users.v1.UserService/Nothing")
          stream.respond(
            { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" },
            { endStream: true },
          );
        else respond(stream, user("Ada"));
      });
    });
  });

  it("get the service's own answer for methods that nobody knows, and for what is not gRPC", async () => {
    const peer = new Peer(await start(port));
    expect((await peer.call("/users.v1.UserService/Nothing", ask(1))).code).toBe(status.UNIMPLEMENTED);
    expect((await peer.call(GET, ask(1), { "content-type": "text/plain" })).mark).toBeUndefined();
    expect((await peer.call(GET, ask(1), { ":method": "PUT" })).mark).toBeUndefined();
    expect(calls).toHaveLength(3);
  });

  it("read uncached beyond the size of messages, and do not write", async () => {
    const sidecar = await start(port, { messageMaxBytes: MIB });
    const peer = new Peer(sidecar);
    const long = { tenantId: "x".repeat(2 * MIB) };
    const read = await peer.call(GET, requestOf("GetUser", long));
    const refused = await peer.call(RENAME, requestOf("RenameUser", long));
    expect([read.code, read.mark]).toEqual([status.OK, undefined]);
    expect(refused.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(calls).not.toContain(RENAME);
    expect(sidecar.counts).toMatchObject({ bypassed: 1, refused: 1 });
  });

  it("cannot make it unpack more than a message", async () => {
    const peer = new Peer(await start(port, { messageMaxBytes: MIB }));
    const bomb = framed(gzipSync(Buffer.alloc(64 * MIB)), 1);
    const encoding = { "grpc-encoding": "gzip" };
    expect((await peer.call(GET, bomb, encoding)).mark).toBeUndefined();
    expect((await peer.call(RENAME, bomb, encoding)).code).toBe(status.UNIMPLEMENTED);
    expect(calls).toEqual([GET]);
  });

  it("get nothing cached for requests that are no message of the method, or have more than its descriptors know", async () => {
    const peer = new Peer(await start(port));
    const unknown = Buffer.concat([ask(1).subarray(5), Buffer.from([0xf8, 0x07, 0x01])]);
    const malformed = [
      Buffer.alloc(0),
      Buffer.from("no frame"),
      framed(Buffer.from([0x0a, 0xff])),
      framed(unknown),
    ];
    for (const body of [...malformed, Buffer.concat([ask(1), ask(2)])]) {
      expect((await peer.call(GET, body)).mark).toBeUndefined();
    }
    expect(calls).toHaveLength(5);
  });

  it("cannot choose the authority that an answer for all depends on", async () => {
    const authorities: unknown[] = [];
    const names = await startService((stream, headers) => {
      authorities.push(headers[":authority"]);
      respond(stream, user("Ada"));
    });
    const peer = new Peer(await start(names));
    expect((await peer.call(GET, ask(1), { ":authority": "evil.example" })).mark).toBe("miss");
    expect((await peer.call(GET, ask(1))).mark).toBe("near");
    expect(authorities).toEqual([`${HOST}:${names}`]);
  });

  it("get nothing cached of messages that are no protobuf, and do not write with them", async () => {
    const peer = new Peer(await start(port));
    for (const type of ["application/grpc+json", "application/grpc+thrift"]) {
      expect((await peer.call(GET, ask(1), { "content-type": type })).mark).toBeUndefined();
      expect((await peer.call(RENAME, ask(1), { "content-type": type })).code).toBe(status.UNIMPLEMENTED);
    }
    expect(calls).toEqual([GET, GET]);
    for (const [type, mark] of [
      ["application/grpc+proto", "miss"],
      ["application/grpc; charset=utf-8", "near"],
    ]) {
      expect((await peer.call(GET, ask(1), { "content-type": type })).mark).toBe(mark);
    }
  });

  it("are refused with more metadata than a call may have, and others are served", async () => {
    const sidecar = await start(port, { headersMaxBytes: 4_096 });
    const options = { settings: { maxHeaderListSize: 2 ** 20 }, maxSendHeaderBlockLength: 2 ** 20 };
    for (const bomb of [
      { "x-bomb": "x".repeat(8_192) },
      Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x-bomb-${index}`, "x"])),
    ]) {
      const peer = new Peer(sidecar, options);
      // The bound counts as soon as the peer knows it. Before, that of HTTP/2 in Node does, 64 KiB.
      await new Promise((resolve) => peer.session.once("remoteSettings", () => peer.session.ping(resolve)));
      const seen = await peer.call(GET, ask(1), bomb);
      expect([seen.code, seen.body.length]).toEqual([undefined, 0]);
    }
    expect(calls).toEqual([]);
    expect((await new Peer(sidecar).call(GET, ask(1))).mark).toBe("miss");
  });

  it("are cut off when they do not take their answer", async () => {
    const sidecar = await start(port, { answerMaxMs: 50 });
    await new Peer(sidecar).call(GET, ask(1));
    const slow = new Peer(sidecar, { settings: { initialWindowSize: 0 } });
    await new Promise((resolve) => slow.session.once("localSettings", resolve));
    const seen = await slow.call(GET, ask(1));
    expect([seen.code, seen.rstCode]).toEqual([undefined, constants.NGHTTP2_CANCEL]);
    expect(sidecar.counts).toMatchObject({ near: 1, late: 1 });
  });

  it("are told when their request does not arrive", async () => {
    const sidecar = await start(port, { arrivalMaxMs: 50 });
    const stream = new Peer(sidecar).open(GET);
    const seen = seenOf(stream);
    stream.write(ask(1).subarray(0, 3));
    expect((await seen).code).toBe(status.DEADLINE_EXCEEDED);
    expect(sidecar.counts.late).toBe(1);
  });

  it("share the bytes that it holds, and get them back", async () => {
    const sidecar = await start(port, { heldMaxBytes: 10_000 });
    const peer = new Peer(sidecar);
    const begun = peer.open(GET);
    begun.write(framed(Buffer.alloc(100_000)).subarray(0, 9_000));
    await eventually(async () =>
      expect((await peer.call(GET, ask(1, { tenantId: "x".repeat(1_000) }))).code).toBe(8),
    );
    expect(sidecar.counts.refused).toBeGreaterThan(0);
    begun.close(constants.NGHTTP2_CANCEL);
    await eventually(async () =>
      expect((await peer.call(GET, ask(1, { tenantId: "x".repeat(1_000) }))).code).toBe(0),
    );
  });

  it("are refused beyond the connections that it may have", async () => {
    const sidecar = await start(port, { connectionsMax: 1 });
    const first = new Peer(sidecar);
    expect((await first.call(GET, ask(1))).code).toBe(status.OK);
    const second = new Peer(sidecar);
    await new Promise((resolve) => second.session.once("close", resolve));
    expect(sidecar.counts.refusedConnections).toBe(1);
    expect((await first.call(GET, ask(1))).mark).toBe("near");
  });

  it("lose an idle connection, and none that has a call", async () => {
    const opened: ServerHttp2Stream[] = [];
    const quiet = await startService((stream) => void opened.push(stream.on("error", () => {})));
    const sidecar = await start(quiet, { connectionIdleMs: 50 });
    const busy = new Peer(sidecar);
    const idle = new Peer(sidecar);
    const answer = busy.call("/users.v1.UserService/Ping", framed(Buffer.alloc(0)));
    await new Promise((resolve) => idle.session.once("close", resolve));
    expect(busy.session.closed).toBe(false);
    for (const stream of opened) respond(stream, framed(Buffer.alloc(0)));
    expect((await answer).code).toBe(status.OK);
  });
});

describe("services behind a sidecar", () => {
  const HEAD = { ":status": 200, "content-type": "application/grpc" };

  it.each<[string, Serve]>([
    ["resets the call", (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
    ["ends without a status", (stream) => stream.respond(HEAD, { endStream: true })],
    [
      "answers as no gRPC service",
      (stream) => stream.respond({ ":status": 502, "content-type": "text/html" }, { endStream: true }),
    ],
    [
      "breaks off in its answer",
      (stream) => {
        stream.respond(HEAD);
        stream.write(user("Ada").subarray(0, 4), () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
      },
    ],
    ["announces more than it sends", (stream) => respond(stream, Buffer.from([0, 0, 0, 0, 99, 1]))],
    ["answers with two messages", (stream) => respond(stream, Buffer.concat([user("Ada"), user("Eve")]))],
    ["compresses as nobody can read", (stream) => respond(stream, framed(Buffer.from("??"), 1))],
    ["has a status that is none", (stream) => respond(stream, user("Ada"), { "grpc-status": "fine" })],
    ["ends its connection", (stream) => stream.session?.destroy()],
  ])("one that %s is asked for each call, and nothing of it is kept", async (_, misbehave) => {
    let calls = 0;
    const port = await startService((stream, headers) => {
      calls += 1;
      stream.on("error", () => {});
      misbehave(stream, headers);
    });
    const sidecar = await start(port);
    const peer = new Peer(sidecar);
    for (const round of [1, 2]) {
      const seen = await peer.call(GET, ask(1));
      expect(["near", "remote", "stale"]).not.toContain(seen.mark);
      expect(calls).toBeGreaterThanOrEqual(round);
    }
    expect(sidecar.counts).toMatchObject({ near: 0, remote: 0, stale: 0 });
  });

  it("that speaks no HTTP/2 is unavailable", async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => {
      sockets.push(socket.on("error", () => {}));
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    undo.push(() => server.close());
    const peer = new Peer(await start(await listening(server)));
    for (const path of [GET, RENAME, "/users.v1.UserService/Ping"])
      expect((await peer.call(path, ask(1))).code).toBe(status.UNAVAILABLE);
  });

  it("that never answers keeps no caller beyond its deadline, and no call beyond the load", async () => {
    const open = new Set<ServerHttp2Stream>();
    const port = await startService((stream) => {
      open.add(stream.on("error", () => {}));
      stream.on("close", () => open.delete(stream));
      stream.resume();
    });
    const sidecar = await start(port, {}, 200);
    const peer = new Peer(sidecar);
    const seen = await peer.call(GET, ask(1), { "grpc-timeout": "50m" });
    expect(seen.code).toBe(status.DEADLINE_EXCEEDED);
    const left = peer.open(GET);
    left.end(ask(2));
    await eventually(() => expect(open.size).toBeGreaterThan(0));
    left.close(constants.NGHTTP2_CANCEL);
    await eventually(() => expect(open.size).toBe(0));
  });

  it("whose answer is too long to be kept is asked by each caller for itself", async () => {
    const port = await startService((stream) => respond(stream, framed(Buffer.alloc(2 * MIB))));
    const sidecar = await start(port, { messageMaxBytes: MIB });
    const seen = await new Peer(sidecar).call(GET, ask(1));
    expect([seen.code, seen.mark, seen.body.length]).toEqual([status.OK, undefined, 2 * MIB + 5]);
    expect(sidecar.counts.bypassed).toBe(1);
  });

  it("has no more calls than it may have", async () => {
    const open: ServerHttp2Stream[] = [];
    const port = await startService((stream) => void open.push(stream.on("error", () => {})));
    const sidecar = await start(port, { upstreamCallsMax: 2 });
    const peer = new Peer(sidecar);
    const ping = "/users.v1.UserService/Ping";
    const held = [1, 2].map(() => peer.call(ping, framed(Buffer.alloc(0))));
    await eventually(() => expect(open).toHaveLength(2));
    expect((await peer.call(ping, framed(Buffer.alloc(0)))).code).toBe(status.RESOURCE_EXHAUSTED);
    for (const stream of open) respond(stream, framed(Buffer.alloc(0)));
    for (const { code } of await Promise.all(held)) expect(code).toBe(status.OK);
    expect(sidecar.counts.refused).toBe(1);
  });
});
