/**
 * Responses that are complete before their request has been read, and requests that come before a response has been taken: each
 * response arrives whole, and no request that a client sends behind one meets a connection that is being reset.
 */
import { Agent, type IncomingMessage, request, type ServerResponse } from "node:http";
import { request as requestTls, Agent as TlsAgent } from "node:https";
import { connect, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/clock.ts";
import type { ServerTls } from "../../../src/security/tls/server-tls.ts";
import { createOpenCalls } from "../../../src/server/calls/registry.ts";
import { Http1Listener } from "../../../src/server/connections/http1-listener.ts";
import { createProcessBounds } from "../../../src/server/limits/quotas.ts";
import { resolveTransportLimits, type TransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { createAuthority } from "../../support/certificates.ts";
import { eventually } from "../../support/eventually.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";

const authority = createAuthority();
const { cert, key } = authority.issue();
const KIB = 1024;
const HOST = "127.0.0.1";

const undo: (() => unknown)[] = [];
afterEach(() => {
  for (const one of undo.splice(0).reverse()) one();
});

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

async function start(encrypts: boolean, serve: Serve, limits: Partial<TransportLimits> = {}) {
  const transport = resolveTransportLimits(limits);
  const tls: ServerTls = {
    options: { cert, key },
    asksClients: false,
    clientAuthorities: [],
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
  const calls = createOpenCalls(systemClock, createNoTelemetry(), loudBoundary, {
    ...transport,
    receiveMaxBytes: 1,
  });
  undo.push(() => calls.close());
  const listener = new Http1Listener({
    limits: transport,
    clock: systemClock,
    boundary: loudBoundary,
    tls: encrypts ? tls : undefined,
    quota: createProcessBounds(transport).connections,
    sharesPort: false,
    turns: calls.register,
    serve,
  });
  undo.push(() => listener.destroy());
  const port = await listener.listen(HOST, 0);
  return { port, emptied: () => listener.emptied() };
}

/** A connection on which a test writes what it likes. */
class Peer {
  readonly socket: Socket;
  text = "";
  ended = false;
  error: Error | undefined;

  constructor(port: number, encrypts: boolean) {
    const options = { host: HOST, port, allowHalfOpen: true };
    this.socket = encrypts ? connectTls({ ...options, ca: authority.cert }) : connect(options);
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.text += text;
    });
    this.socket.on("end", () => {
      this.ended = true;
    });
    this.socket.on("error", (error) => {
      this.error = error;
    });
    undo.push(() => this.socket.destroy());
  }

  /** As a chunk of the body of the request. */
  chunk(bytes: number): void {
    this.socket.write(`${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n`);
  }
}

const HEAD = "POST / HTTP/1.1\r\nhost: x\r\n";
const answer: Serve = (_, response) => void response.writeHead(200).end("enough");

describe.each([
  ["without TLS", false],
  ["over TLS", true],
])("a response before the end of its request, %s", (_, encrypts) => {
  it("is the last one, and the connection ends in order behind the request", async () => {
    const peer = new Peer((await start(encrypts, answer)).port, encrypts);
    peer.socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    await eventually(() => expect(peer.ended).toBe(true));
    expect(peer.text.toLowerCase()).toContain("\r\nconnection: close\r\n");
    expect(peer.text).toContain("enough");
    for (let sent = 0; sent < 4; sent += 1) peer.chunk(32 * KIB);
    peer.socket.end("0\r\n\r\n");
    await eventually(() => expect(peer.socket.destroyed).toBe(true));
    expect(peer.error).toBeUndefined();
  });

  it("leaves the connection open behind a request that is known to be short", async () => {
    const peer = new Peer((await start(encrypts, answer)).port, encrypts);
    const length = 200 * KIB;
    for (let round = 1; round <= 3; round += 1) {
      peer.socket.write(`${HEAD}content-length: ${length}\r\n\r\n`);
      await eventually(() => expect(peer.text.split("enough").length === round + 1).toBe(true));
      peer.socket.write("x".repeat(length));
    }
    peer.socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await eventually(() => expect(peer.text.split("enough").length === 5).toBe(true));
    expect(peer.text.toLowerCase()).not.toContain("connection: close");
  });

  it("is not followed by more of the request than is read", async () => {
    let read = (): number => 0;
    const { port } = await start(encrypts, (request, response) => {
      read = () => request.socket.bytesRead;
      answer(request, response);
    });
    const peer = new Peer(port, encrypts);
    peer.socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    await eventually(() => expect(peer.ended).toBe(true));
    for (let sent = 0; sent < 256; sent += 1) peer.chunk(64 * KIB);
    await eventually(() => expect(peer.socket.destroyed).toBe(true));
    expect(read()).toBeLessThan(9 * 1024 * KIB);
  });

  it("gives the rest of the request no more time than the whole of it has", async () => {
    const { port, emptied } = await start(encrypts, answer, { halfCloseMaxMs: 50 });
    const peer = new Peer(port, encrypts);
    peer.socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    await eventually(() => expect(peer.ended).toBe(true));
    await emptied();
    expect(peer.text).toContain("enough");
  });

  it("is followed by no request that was sent behind", async () => {
    let served = 0;
    const { port } = await start(encrypts, (request, response) => {
      served += 1;
      answer(request, response);
    });
    const peer = new Peer(port, encrypts);
    peer.socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    await eventually(() => expect(peer.ended).toBe(true));
    peer.socket.end(`0\r\n\r\n${HEAD}content-length: 0\r\n\r\n`);
    await eventually(() => expect(peer.socket.destroyed).toBe(true));
    expect(served).toBe(1);
  });

  it("disturbs no other request of a client that uses its connections again", async () => {
    const MOST = 64 * KIB;
    const { port } = await start(encrypts, (request, response) => {
      let bytes = 0;
      const refuse = () => response.writeHead(413).end("too long");
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST && !response.writableEnded) refuse();
      });
      request.on("end", () => response.writableEnded || answer(request, response));
    });
    const agent = encrypts ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true });
    undo.push(() => agent.destroy());
    const send = (bytes: number) =>
      new Promise<string>((resolve, reject) => {
        const options = { host: HOST, port, agent, method: "POST", ca: authority.cert };
        const sent = (encrypts ? requestTls : request)(options, (response) =>
          buffer(response).then((body) => resolve(body.toString()), reject),
        );
        sent.on("error", reject);
        // Without a length: in chunks.
        sent.flushHeaders();
        sent.end(Buffer.alloc(bytes));
      });
    for (let round = 0; round < 20; round += 1) {
      expect(await send(3 * MOST)).toBe("too long");
      // More than is read behind a response.
      await send(16 * MOST).catch(() => {});
      expect(await send(10)).toBe("enough");
    }
  });
});

describe.each([
  ["without TLS", false],
  ["over TLS", true],
])("a request behind a response that is not taken yet, %s", (_, encrypts) => {
  it("is read when it is", async () => {
    const long = Buffer.alloc(4 * 1024 * KIB, "y");
    const { port } = await start(encrypts, async (request, response) => {
      const { length } = await buffer(request);
      response.writeHead(200).end(length > 0 ? `read ${length}` : long);
    });
    const peer = new Peer(port, encrypts);
    peer.socket.write(`${HEAD}content-length: 0\r\n\r\n`);
    await eventually(() => expect(peer.text).toContain("yyyy"));
    peer.socket.pause();
    const length = 300 * KIB;
    peer.socket.write(`${HEAD}content-length: ${length}\r\n\r\n${"x".repeat(length)}`);
    await new Promise((resolve) => peer.socket.write(HEAD, resolve));
    peer.socket.resume();
    await eventually(() => expect(peer.text).toContain(`read ${length}`));
    expect(peer.error).toBeUndefined();
  });
});
