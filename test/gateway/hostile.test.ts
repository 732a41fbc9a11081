/** The HTTP port of a server among callers that are slow, leave early, or send what no client would. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CacheServer, createServer, type ServerOptions } from "../../src/server/index.ts";
import { eventually } from "../support/eventually.ts";

const HOST = "127.0.0.1";
const GET = "/meshcache.v1.CacheService/Get";
const ENTRY = "/v1/users/1";
const MIB = 2 ** 20;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

async function start(options: Partial<ServerOptions> = {}): Promise<CacheServer> {
  const server = createServer({ listen: `${HOST}:0`, http: { listen: `${HOST}:0` }, ...options });
  undo.push(() => server.close());
  await server.start();
  return server;
}

class Peer {
  readonly socket: Socket;
  text = "";
  closed = false;

  constructor({ httpAddress = "" }: CacheServer) {
    this.socket = connect(Number(httpAddress.split(":")[1]), HOST);
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.text += text;
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
    undo.push(() => this.socket.destroy());
  }

  send(method: string, path: string, headers: string, body = ""): void {
    this.socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n${body}`);
  }

  answers(status: number): Promise<void> {
    return eventually(() => expect(this.text).toContain(`HTTP/1.1 ${status} `));
  }

  ends(): Promise<void> {
    return eventually(() => expect(this.closed).toBe(true));
  }
}

describe("callers of the HTTP port", () => {
  let server: CacheServer;

  /** False: there are too many connections. */
  function isServed(): Promise<boolean> {
    const peer = new Peer(server);
    peer.send("PUT", ENTRY, "content-length: 2\r\n", "{}");
    return new Promise((resolve) => {
      peer.socket.once("data", () => resolve(true));
      peer.socket.once("close", () => resolve(false));
    });
  }

  /** Others are served. */
  async function serves(): Promise<void> {
    const peer = new Peer(server);
    peer.send("PUT", ENTRY, "content-length: 2\r\n", "{}");
    await peer.answers(204);
    peer.socket.destroy();
  }

  beforeEach(async () => {
    server = await start({ transport: { halfCloseMaxMs: 500, stallMaxMs: 200, headersMaxBytes: 4_096 } });
  });

  it("are refused with more headers than a request may have", async () => {
    const peer = new Peer(server);
    peer.send("GET", ENTRY, `x-bomb: ${"x".repeat(16_384)}\r\n`);
    await peer.answers(431);
    await peer.ends();
    await serves();
  });

  it.each([
    ["a length and chunks", "POST", "content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"],
    ["two lengths", "POST", "content-length: 2\r\ncontent-length: 3\r\n", "{}"],
    ["a length that is none", "POST", "content-length: -1\r\n", ""],
    ["a chunk without a length", "POST", "transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"],
    ["an encoding nobody knows", "POST", "transfer-encoding: gzip, chunked, x\r\n", "{}"],
    ["a header with a line break in its name", "POST", "x\n y: 1\r\n", ""],
  ])("are refused with %s, and their connection ends", async (_, method, headers, body) => {
    const peer = new Peer(server);
    peer.send(method, GET, `content-type: application/json\r\n${headers}`, body);
    await peer.answers(400);
    await peer.ends();
    await serves();
  });

  it("cannot hide data in the lengths of chunks", async () => {
    const peer = new Peer(server);
    const chunk = `1;${"x".repeat(8_192)}\r\n \r\n`;
    peer.send("PUT", ENTRY, "transfer-encoding: chunked\r\n", chunk.repeat(64));
    await peer.ends();
    await serves();
  });

  it("lose a connection that sends its request too slowly", async () => {
    const peer = new Peer(server);
    peer.send("PUT", ENTRY, "content-length: 100\r\n", "{");
    await peer.ends();
    await serves();
  });

  it("lose a connection on which they take no answer", async () => {
    const put = new Peer(server);
    put.send("PUT", ENTRY, `content-length: ${MIB}\r\n`, "x".repeat(MIB));
    await put.answers(204);
    const peer = new Peer(server);
    peer.socket.pause();
    for (let sent = 0; sent < 40; sent += 1) peer.send("GET", ENTRY, "");
    // Who does not read learns of it by writing.
    await eventually(() => {
      peer.socket.write(" ");
      expect(peer.closed).toBe(true);
    });
    await serves();
  });

  it("may leave in the middle of a request, and of an answer", async () => {
    server = await start({ transport: { connectionsMax: 2 } });
    const leaving = new Peer(server);
    leaving.send("PUT", ENTRY, `content-length: ${MIB}\r\n`, "x".repeat(1_000));
    const streaming = new Peer(server);
    const open = '{"namespaces":["users"]}';
    const envelope = `\0\0\0\0${String.fromCharCode(open.length)}${open}`;
    const type = "content-type: application/connect+json\r\n";
    streaming.send(
      "POST",
      "/meshcache.v1.CacheService/Stream",
      `${type}content-length: ${envelope.length}\r\n`,
      envelope,
    );
    await streaming.answers(200);
    leaving.socket.resetAndDestroy();
    streaming.socket.resetAndDestroy();
    await eventually(async () => expect(await isServed()).toBe(true));
  });
});
