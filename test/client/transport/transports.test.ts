/** Both transports over real connections: what they carry, and how they report the end of a stream. */

import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { ExchangeRequest, ExchangeResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { createGrpcTransport } from "../../../src/client/transport/grpc-transport.ts";
import { createHttp2Transport } from "../../../src/client/transport/http2-transport.ts";
import type { Link, MessageLimits, Transport } from "../../../src/client/transport/transport.ts";
import type { CacheError } from "../../../src/common/errors.ts";
import { json, MeshCache } from "../../../src/index.ts";
import { freeAddress } from "../../support/free-port.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { framed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

interface OpenLink {
  readonly link: Link;
  readonly frames: ExchangeResponse["frame"][];
  /** Resolves when so many frames have come. */
  received(count: number): Promise<void>;
  readonly drained: Promise<void>;
  readonly closed: Promise<CacheError | undefined>;
}

const UNLIMITED: MessageLimits = { sendMaxBytes: 2 ** 30, receiveMaxBytes: 2 ** 30 };

function openLink(transport: Transport, address: string, limits = UNLIMITED): OpenLink {
  const frames: ExchangeResponse["frame"][] = [];
  const drained = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<CacheError | undefined>();
  let check = (): void => {};
  const link = transport.open(address, {
    messageLimits: () => limits,
    frame(response) {
      frames.push(response.frame);
      check();
    },
    drained: () => drained.resolve(),
    goesAway: () => {},
    closed: (error) => closed.resolve(error),
  });
  return {
    link,
    frames,
    drained: drained.promise,
    closed: closed.promise,
    received: (count) =>
      new Promise((resolve) => {
        check = () => {
          if (frames.length >= count) resolve();
        };
        check();
      }),
  };
}

const request = (id: bigint, frame: ExchangeRequest["frame"]): ExchangeRequest => ({
  $typeName: "meshcache.v1.ExchangeRequest",
  id,
  frame,
});
const open = request(1n, {
  case: "open",
  value: {
    $typeName: "meshcache.v1.Open",
    clientId: "c",
    predecessorToken: 0n,
    library: "",
    libraryVersion: "",
  },
});
const ping = (id: bigint): ExchangeRequest =>
  request(id, { case: "ping", value: { $typeName: "meshcache.v1.Ping", nonce: id } });

const transports: readonly (readonly [string, () => Transport])[] = [
  ["http2", () => createHttp2Transport(loudBoundary)],
  ["grpc-js", () => createGrpcTransport(credentials.createInsecure(), loudBoundary)],
];

describe.each(transports)("the transport over %s", (name, createTransport) => {
  let undo = new AsyncDisposableStack();
  afterEach(async () => {
    await undo.disposeAsync();
    undo = new AsyncDisposableStack();
  });

  async function start(options: Parameters<typeof startServer>[0] = {}): Promise<RunningServer> {
    const running = await startServer(options);
    undo.defer(() => running.stop());
    return running;
  }

  /** A server that answers each stream with `answer`, whatever was asked. */
  async function startRaw(answer: (stream: ServerHttp2Stream) => void): Promise<string> {
    const sockets = new Set<Socket>();
    const server = createHttp2Server();
    server.on("connection", (socket: Socket) => sockets.add(socket));
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      answer(stream);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    undo.defer(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return `127.0.0.1:${address.port}`;
  }

  it("carries frames both ways, in their order", async () => {
    const { address } = await start();
    const { link, frames, received } = openLink(createTransport(), address);
    link.send(open);
    for (let id = 2n; id < 50n; id++) link.send(ping(id));
    await received(49);
    expect(frames[0]?.case).toBe("opened");
    expect(frames.slice(1).map((frame) => frame.case === "progress" && frame.value.nonce)).toEqual(
      Array.from({ length: 48 }, (_, index) => BigInt(index + 2)),
    );
    link.close();
  });

  it("refuses to send a message that is too large, and sends the next", async () => {
    const { address } = await start();
    const { link, received } = openLink(createTransport(), address, { ...UNLIMITED, sendMaxBytes: 20 });
    link.send(open);
    const batch = {
      $typeName: "meshcache.v1.BatchRequest" as const,
      namespace: "x".repeat(40),
      operations: [],
    };
    expect(() => link.send(request(2n, { case: "batch", value: batch }))).toThrow(
      expect.objectContaining({
        reason: "FIELD_INVALID",
        detail: { field: "message", bound: "at most 20 bytes" },
      }),
    );
    link.send(ping(3n));
    await received(2);
    link.close();
  });

  it("reports the error with which a server ends the stream, once", async () => {
    const { address } = await start();
    const { link, closed } = openLink(createTransport(), address);
    link.send(open);
    link.send(open);
    expect(await closed).toMatchObject({ reason: "FIELD_INVALID", detail: { field: "id" } });
    expect(link.send(ping(3n))).toBe(true);
    link.close();
  });

  it("reports that nobody listens", async () => {
    const { link, closed } = openLink(createTransport(), await freeAddress());
    link.send(open);
    expect(await closed).toMatchObject({ reason: "UNAVAILABLE" });
  });

  it("reports a connection that is lost", async () => {
    const { address, server } = await start();
    const { link, received, closed } = openLink(createTransport(), address);
    link.send(open);
    await received(1);
    await server.close();
    expect(await closed).toMatchObject({ reason: "UNAVAILABLE" });
  });

  it("frees its connection when it is closed, and calls no handler after that", async () => {
    const running = await start();
    const { link, received, closed, frames } = openLink(createTransport(), running.address);
    link.send(open);
    await received(1);
    link.close();
    link.close();
    await expect(Promise.race([closed, running.server.drain()])).resolves.toBeUndefined();
    expect(frames.length).toBe(1);
  });

  it("asks to hold back when the server does not read, and to go on when it does", async () => {
    let stream: ServerHttp2Stream | undefined;
    const address = await startRaw((opened) => {
      stream = opened;
      opened.respond({ ":status": 200, "content-type": "application/grpc" });
    });
    const { link, drained } = openLink(createTransport(), address);
    link.send(open);
    const value = new Uint8Array(100_000);
    let more = true;
    for (let id = 2n; more && id < 200n; id++) {
      more = link.send(
        request(id, {
          case: "batch",
          value: {
            $typeName: "meshcache.v1.BatchRequest",
            namespace: "n",
            operations: [
              {
                $typeName: "meshcache.v1.Operation",
                traceparent: "",
                operation: {
                  case: "set",
                  value: {
                    $typeName: "meshcache.v1.SetRequest",
                    namespace: "",
                    key: "k",
                    value,
                    ttlMs: 0n,
                    staleMs: 0n,
                    tags: [],
                    contentType: "",
                    contentEncoding: "",
                    absent: false,
                    sourceVersion: 0n,
                    requestId: 0n,
                    ifEpoch: 0n,
                    condition: { case: undefined },
                  },
                },
              },
            ],
          },
        }),
      );
    }
    expect(more).toBe(false);
    while (stream === undefined) await new Promise((resolve) => setImmediate(resolve));
    stream.resume();
    await drained;
    link.close();
  });

  it.each([
    [
      "an HTTP status",
      "UNAVAILABLE",
      (stream: ServerHttp2Stream) => stream.respond({ ":status": 503 }, { endStream: true }),
    ],
    [
      "a status without a message",
      "LIMIT_EXCEEDED",
      (stream: ServerHttp2Stream) =>
        stream.respond(
          {
            ":status": 200,
            "content-type": "application/grpc",
            "grpc-status": 8,
            "grpc-message": "too%20many",
          },
          { endStream: true },
        ),
    ],
    [
      "what is no message",
      "UNAVAILABLE",
      (stream: ServerHttp2Stream) => {
        stream.respond({ ":status": 200, "content-type": "application/grpc" });
        stream.write(framed(Buffer.alloc(20, 0xff)));
      },
    ],
    ["a reset", "UNAVAILABLE", (stream: ServerHttp2Stream) => stream.close(7)],
  ] as const)("tells that a server answers with %s", async (_, reason, answer) => {
    const address = await startRaw(answer);
    const { link, closed } = openLink(createTransport(), address);
    link.send(open);
    expect((await closed)?.reason).toBe(reason);
  });

  it("serves a client, near cache and all", async () => {
    const { address } = await start();
    const own = name === "grpc-js" ? { credentials: credentials.createInsecure() } : {};
    const [one, other] = [new MeshCache({ address, ...own }), new MeshCache({ address, ...own })];
    const read = one.namespace("n", { codec: json<number>() });
    const written = other.namespace("n", { codec: json<number>() });
    await written.set("k", 1);
    expect(await read.get("k")).toEqual({ kind: "hit", value: 1 });
    await written.set("k", 2);
    await one.sync();
    expect(await read.get("k")).toEqual({ kind: "hit", value: 2 });
    await Promise.all([one.close(), other.close()]);
  });
});

it("a client refuses an address that is no host and port", () => {
  for (const address of [
    "",
    "localhost",
    "dns:///a:1",
    "http://a:1",
    "a:b",
    "::1:50051",
    "a:1/b",
    "a:0",
    "a:65536",
  ]) {
    expect(() => new MeshCache({ address })).toThrow(
      expect.objectContaining({
        reason: "FIELD_INVALID",
        message:
          "address must be one or more HOST:PORT, an IPv6 host in brackets, port 1 to 65535, " +
          "without a scheme such as http://",
      }),
    );
  }
  for (const address of ["a:1", "127.0.0.1:50051", "[::1]:50051", "a-b.c_d:65535"]) {
    expect(() => new MeshCache({ address })).not.toThrow();
  }
});
