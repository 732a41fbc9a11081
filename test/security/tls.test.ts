/** The gRPC port over TLS: who gets in, over which HTTP/2, how long a handshake may take, and how files are replaced. */

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer as createNetServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
} from "node:tls";
import { Worker } from "node:worker_threads";
import { credentials } from "@grpc/grpc-js";
import { beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { type ClientOptions, json, MeshCache } from "../../src/index.ts";
import { createServiceClient } from "../../src/rpc/client.ts";
import type { SecurityOptions } from "../../src/security/security.ts";
import { createServer, type TransportLimits } from "../../src/server/index.ts";
import { HANDSHAKE_WORK_BYTES } from "../../src/server/limits/work.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../src/telemetry/telemetry.ts";
import { type Authority, type CertificateOptions, createAuthority } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { usePemTest } from "../support/pem-test.ts";
import { ROUND_TRIP_HIT, roundTrip } from "../support/round-trip.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";

const DAY_MS = 86_400_000;
const CONNECT_MANY = `
const { workerData } = require("node:worker_threads");
const { connect } = require("node:tls");
for (let client = 0; client < workerData.count; client++)
  connect({ ...workerData.options, ALPNProtocols: ["h2"] }).on("error", () => {});
`;
const RELOAD_MS = 100;

const pem = usePemTest();

let caPath: string;

beforeEach(() => {
  caPath = pem.folder.write("ca.crt", pem.authority.cert);
});

interface SecureServer extends RunningServer {
  /** What its telemetry sees. */
  readonly observed: ThreadObservation;
  readonly warnings: string[];
}

/** With a certificate of the authority; with `clientCa`, only for clients with one too. */
async function start(
  tls: Partial<NonNullable<SecurityOptions["tls"]>> = {},
  transport: Partial<TransportLimits> = {},
  acceleration: "on" | "off" = "on",
): Promise<SecureServer> {
  const own = pem.folder.save("server", pem.authority.issue());
  const warnings: string[] = [];
  let observed: ThreadObservation | undefined;
  const running = await startServer({
    security: { tls: { ...own, ...tls }, reloadMs: RELOAD_MS },
    transport,
    acceleration,
    telemetry: {
      ...createNoTelemetry({
        info: () => {},
        warn: (_fields, message) => void warnings.push(message),
        error: (_fields, message) => void warnings.push(message),
      }),
      observeThread(observation) {
        observed = observation;
        return () => {};
      },
    },
  });
  pem.undo.defer(() => running.stop());
  if (observed === undefined) throw new Error("nothing observes the server");
  return { ...running, observed, warnings };
}

const handshakesOf = ({ observed }: SecureServer) => observed.tls?.handshakes() ?? {};

const clientFiles = (options: CertificateOptions = {}, issuer: Authority = pem.authority) =>
  pem.folder.save(`client${Math.random()}`, issuer.issue(options));

function open(address: string, options: Partial<ClientOptions> = {}): MeshCache {
  const cache = new MeshCache({ address, tls: { ca: caPath }, deadlineMs: 5_000, ...options });
  pem.undo.defer(async () => {
    await cache.close({ graceMs: 0 });
  });
  return cache;
}

/** Connects, and resolves when the connection is closed with the error of the client, or "" for none. */
async function attempt(running: RunningServer, options: ConnectionOptions): Promise<string> {
  const socket = connectTls({
    host: "127.0.0.1",
    port: running.port,
    ca: pem.authority.cert,
    ALPNProtocols: ["h2"],
    ...options,
  });
  const closed = new Promise<string>((resolve) => {
    let code = "";
    socket.on("error", (error) => {
      code = "code" in error ? String(error.code) : error.message;
    });
    socket.on("close", () => resolve(code));
  });
  socket.resume();
  return closed;
}

/** Also after an error. */
const closeOf = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

describe.each(["on", "off"] as const)("TLS with acceleration %s", (acceleration) => {
  it("carries unary calls, streams and Exchanges", async () => {
    const running = await start({}, {}, acceleration);
    const client = createServiceClient(
      running.address,
      credentials.createSsl(Buffer.from(pem.authority.cert)),
    );
    pem.undo.defer(() => client.close());
    const namespace = "users";
    await client.unary(CacheService.method.set, { namespace, key: "k", value: Buffer.from("v") });
    expect((await client.unary(CacheService.method.get, { namespace, key: "k" })).outcome.case).toBe("hit");
    const stream = client.serverStream(CacheService.method.stream, { namespace });
    stream.on("error", () => {});
    await once(stream, "data");
    stream.cancel();
    expect(await roundTrip(open(running.address))).toMatchObject(ROUND_TRIP_HIT);
    expect(handshakesOf(running)).toMatchObject({ completed: 2, failed: 0, refused: 0 });
  });

  it("carries large values both ways", async () => {
    const running = await start({}, {}, acceleration);
    const users = open(running.address).namespace("users", { codec: json<string>() });
    const values = Array.from({ length: 16 }, (_, at) => `${at}`.repeat(60_000));
    await users.setMany(values.map((value, at) => [`k${at}`, value] as const));
    const found = await users.getMany(
      values.map((_, at) => `k${at}`),
      { maxStalenessMs: 0 },
    );
    expect(found).toMatchObject(values.map((value) => ({ kind: "hit", value })));
  });

  it("serves the client over grpc-js credentials too", async () => {
    const running = await start({}, {}, acceleration);
    const secure = credentials.createSsl(Buffer.from(pem.authority.cert));
    const cache = new MeshCache({
      address: running.address.replace("127.0.0.1", "localhost"),
      credentials: secure,
    });
    pem.undo.defer(async () => {
      await cache.close({ graceMs: 0 });
    });
    expect(await roundTrip(cache)).toMatchObject(ROUND_TRIP_HIT);
  });

  it("lets clients in whose certificate is of the authority, or of one below it", async () => {
    const running = await start({ clientCa: caPath }, {}, acceleration);
    expect(await roundTrip(open(running.address, { tls: { ca: caPath, ...clientFiles() } }))).toMatchObject(
      ROUND_TRIP_HIT,
    );
    const below = pem.authority.intermediate();
    const { cert, key } = below.issue();
    const chain = pem.folder.save("chain", { cert: cert + below.cert, key });
    expect(await roundTrip(open(running.address, { tls: { ca: caPath, ...chain } }))).toMatchObject(
      ROUND_TRIP_HIT,
    );
  });

  it("refuses absent, foreign, self-made, expired and future certificates, and one whose chain is not whole", async () => {
    const running = await start({ clientCa: caPath }, {}, acceleration);
    const foreign = createAuthority();
    const refused: Record<string, Partial<{ cert: string; key: string }>> = {
      absent: {},
      foreign: foreign.issue(),
      "self-made": { cert: foreign.cert, key: foreign.key },
      expired: pem.authority.issue({ fromMs: -2 * DAY_MS, untilMs: -DAY_MS }),
      future: pem.authority.issue({ fromMs: DAY_MS }),
      "without its chain": pem.authority.intermediate().issue(),
    };
    for (const [kind, given] of Object.entries(refused)) {
      const before = handshakesOf(running).refused ?? 0;
      await attempt(running, given);
      await eventually(() => expect(handshakesOf(running).refused, kind).toBe(before + 1));
    }
    expect(handshakesOf(running)).toMatchObject({ completed: 0 });
    expect(await roundTrip(open(running.address, { tls: { ca: caPath, ...clientFiles() } }))).toMatchObject(
      ROUND_TRIP_HIT,
    );
  });
});

describe("TLS refuses", () => {
  const OLD = { ciphers: "DEFAULT@SECLEVEL=0", minVersion: "TLSv1", maxVersion: "TLSv1.1" } as const;

  it("versions before 1.3, and speaks 1.2 when it is told to, but never 1.1", async () => {
    const running = await start();
    expect(await attempt(running, { maxVersion: "TLSv1.2" })).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    expect(await attempt(running, OLD)).not.toBe("");
    const older = await start({ minVersion: "TLSv1.2" });
    const socket = connectTls({
      host: "127.0.0.1",
      port: older.port,
      ca: pem.authority.cert,
      ALPNProtocols: ["h2"],
      maxVersion: "TLSv1.2",
    });
    await once(socket, "secureConnect");
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(["TLSv1.2", "h2"]);
    socket.destroy();
    expect(await attempt(older, OLD)).not.toBe("");
  });

  it("clients that do not speak HTTP/2", async () => {
    const running = await start();
    expect(await attempt(running, { ALPNProtocols: ["http/1.1"] })).toBe(
      "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
    );
    await attempt(running, { ALPNProtocols: [] });
    await eventually(() => expect(handshakesOf(running)).toMatchObject({ completed: 0, failed: 2 }));
  });

  it.each([
    ["HTTP/1.1", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"],
    ["HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a broken record", Buffer.from("16030100050100000155", "hex")],
  ])("%s, and others are unaffected", async (_name, bytes) => {
    const running = await start();
    const socket = connect(running.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.end(bytes);
    await closeOf(socket);
    await eventually(() => expect(handshakesOf(running).failed).toBe(1));
    expect(await roundTrip(open(running.address))).toMatchObject(ROUND_TRIP_HIT);
    expect(running.observed.containedFaults()).toBe(0);
  });

  it("to resume a session", async () => {
    const running = await start({ minVersion: "TLSv1.2" });
    for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
      const options = {
        host: "127.0.0.1",
        port: running.port,
        ca: pem.authority.cert,
        ALPNProtocols: ["h2"],
        maxVersion,
      };
      const first = connectTls(options);
      const [session] = await Promise.race([
        once(first, "session"),
        once(first, "secureConnect").then(() => [first.getSession()]),
      ]);
      first.destroy();
      const second: TLSSocket = connectTls({ ...options, session });
      await once(second, "secureConnect");
      expect(second.isSessionReused()).toBe(false);
      second.destroy();
    }
  });
});

describe("TLS handshakes are bounded", () => {
  async function silent(
    running: RunningServer,
    everyMs?: number,
  ): Promise<{ readonly socket: Socket; readonly closed: Promise<unknown> }> {
    const socket = connect(running.port, "127.0.0.1");
    socket.on("error", () => {});
    const closed = closeOf(socket);
    await once(socket, "connect");
    socket.resume();
    if (everyMs !== undefined) {
      // The head of a record that never ends.
      socket.write(Buffer.from("16030102000100", "hex"));
      const timer = setInterval(() => socket.write(Buffer.of(0)), everyMs);
      void closed.then(() => clearInterval(timer));
    }
    return { socket, closed };
  }

  it("in time: whoever says nothing, or one byte after the other, is cut", async () => {
    const running = await start({}, { handshakeMaxMs: 200 });
    const all = await Promise.all([silent(running), silent(running), silent(running, 20)]);
    await Promise.all(all.map(({ closed }) => closed));
    await eventually(() =>
      expect(handshakesOf(running)).toEqual({ completed: 0, failed: 0, refused: 0, late: 3, displaced: 0 }),
    );
  });

  it("in time, also one with the addresses of one that was reset a moment ago", async () => {
    const running = await start({}, { handshakeMaxMs: 200 });
    const CLIENTS = 10;
    const closed: Promise<unknown>[] = [];
    for (let client = 0; client < CLIENTS; client++) {
      const first = connect(running.port, "127.0.0.1");
      await once(first, "connect");
      const { localPort } = first;
      first.resetAndDestroy();
      const second = connect({ port: running.port, host: "127.0.0.1", localPort });
      second.on("error", () => {});
      second.resume();
      closed.push(closeOf(second));
    }
    await Promise.all(closed);
    // The system may refuse some of them.
    expect(handshakesOf(running)?.late).toBeGreaterThan(0);
  });

  it("in outcomes: who leaves before it was heard has failed", async () => {
    const running = await start();
    const probe = connect(running.port, "127.0.0.1");
    await once(probe, "connect");
    probe.end();
    const reset = connect(running.port, "127.0.0.1");
    await once(reset, "connect");
    reset.resetAndDestroy();
    await eventually(() => expect(handshakesOf(running)).toMatchObject({ completed: 0, failed: 2 }));
  });

  it("in number: the oldest makes room, and a client gets in", async () => {
    const running = await start({}, { handshakesMax: 4 });
    const all = [];
    for (let at = 0; at < 12; at++) all.push(await silent(running));
    expect(await roundTrip(open(running.address))).toMatchObject(ROUND_TRIP_HIT);
    await Promise.all(all.slice(0, 8).map(({ closed }) => closed));
    expect(handshakesOf(running).displaced).toBeGreaterThanOrEqual(8);
    for (const { socket } of all) socket.destroy();
  });

  it("in work: of many that come at once, a few begin and end in each turn", async () => {
    const TURN_HANDSHAKES = 2;
    const CLIENTS = 200;
    const running = await start({}, { turnMaxBytes: TURN_HANDSHAKES * HANDSHAKE_WORK_BYTES });
    let turns = true;
    let most = 0;
    const watched = (async () => {
      for (let before = 0; turns; ) {
        await nextTurn();
        const { completed = 0 } = handshakesOf(running) ?? {};
        most = Math.max(most, completed - before);
        before = completed;
      }
    })();
    // In a thread of their own: in this one the clients' work would part the turns.
    const clients = new Worker(CONNECT_MANY, {
      eval: true,
      workerData: {
        count: CLIENTS,
        options: { port: running.port, host: "127.0.0.1", ca: pem.authority.cert },
      },
    });
    await eventually(() => expect(handshakesOf(running).completed).toBe(CLIENTS));
    turns = false;
    await watched;
    await clients.terminate();
    expect(most).toBeLessThanOrEqual(TURN_HANDSHAKES);
  });

  it("end with the server", async () => {
    const running = await start();
    const { closed } = await silent(running);
    await running.stop();
    await closed;
  });
});

describe("TLS files are replaced without a restart", () => {
  /** The certificate that a new connection sees. */
  async function seen(running: RunningServer): Promise<string> {
    const socket = connectTls({
      host: "127.0.0.1",
      port: running.port,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    await once(socket, "secureConnect");
    const serial = socket.getPeerCertificate().serialNumber;
    socket.destroy();
    return serial;
  }

  it("and no connection is dropped", async () => {
    const running = await start();
    const cache = open(running.address);
    await roundTrip(cache);
    const before = await seen(running);
    const expiry = running.observed.tls?.certificateExpiryS() ?? 0;
    pem.folder.save("server", pem.authority.issue({ untilMs: 60 * DAY_MS }));
    await eventually(async () => expect(await seen(running)).not.toBe(before));
    expect(running.observed.tls?.certificateExpiryS()).toBeGreaterThan(expiry + 20 * 86_400);
    expect(await roundTrip(cache)).toMatchObject(ROUND_TRIP_HIT);
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0 });
    expect(running.warnings).toEqual([]);
  });

  it.each([
    ["no PEM", () => ({ cert: "nothing" })],
    [
      "a certificate and a half",
      () => ({ cert: pem.authority.issue().cert + pem.authority.cert.slice(0, 200) }),
    ],
    ["another key", () => ({ cert: pem.authority.issue().cert })],
    ["an expired certificate", () => pem.authority.issue({ fromMs: -2 * DAY_MS, untilMs: -DAY_MS })],
    ["a certificate of tomorrow", () => pem.authority.issue({ fromMs: DAY_MS })],
    ["an empty key", () => ({ key: "" })],
  ])("but the last good ones are kept for %s, with a warning and a metric", async (_name, make) => {
    const running = await start();
    const before = await seen(running);
    const good = pem.authority.issue();
    const bad: Partial<{ cert: string; key: string }> = make();
    if (bad.cert !== undefined) pem.folder.write("server.crt", bad.cert);
    if (bad.key !== undefined) pem.folder.write("server.key", bad.key);
    await eventually(() => expect(running.observed.securityFilesRefused()).toBe(true));
    expect(await seen(running)).toBe(before);
    expect(await roundTrip(open(running.address))).toMatchObject(ROUND_TRIP_HIT);
    pem.folder.save("server", good);
    await eventually(() => expect(running.observed.securityFilesRefused()).toBe(false));
    expect(await seen(running)).not.toBe(before);
    expect(running.warnings.length).toBeGreaterThanOrEqual(1);
    expect(new Set(running.warnings)).toEqual(
      new Set(["the new TLS files cannot be used; the last good ones stay in use"]),
    );
  });

  it("and a client of an authority that was removed is refused", async () => {
    const running = await start({ clientCa: caPath });
    const old = clientFiles();
    expect(await roundTrip(open(running.address, { tls: { ca: caPath, ...old } }))).toMatchObject(
      ROUND_TRIP_HIT,
    );
    const next = createAuthority("next");
    const served = pem.folder.write("served.crt", pem.authority.cert);
    pem.folder.write("ca.crt", next.cert);
    const young = clientFiles({}, next);
    const tls = { ca: served, ...young };
    await eventually(async () =>
      expect(await roundTrip(open(running.address, { tls, deadlineMs: 500 }))).toMatchObject(ROUND_TRIP_HIT),
    );
    const refused = open(running.address, { tls: { ca: served, ...old }, deadlineMs: 1_000 });
    await expect(roundTrip(refused)).rejects.toMatchObject({
      reason: expect.stringMatching(/UNAVAILABLE|DEADLINE/),
    });
  });

  it("again and again while clients work, and no call fails", async () => {
    const running = await start();
    const caches = Array.from({ length: 8 }, () => open(running.address));
    let over = false;
    let calls = 0;
    const work = async (cache: MeshCache, at: number) => {
      const users = cache.namespace("users", { codec: json<number>(), nearCache: false });
      while (!over) {
        await users.set(`k${at}`, calls);
        await users.get(`k${at}`);
        calls += 2;
        if (calls % 500 === 0) await roundTrip(open(running.address));
      }
    };
    const working = Promise.all(caches.map(work));
    let last = await seen(running);
    for (let round = 0; round < 10; round++) {
      pem.folder.save("server", pem.authority.issue());
      await eventually(async () => expect(await seen(running)).not.toBe(last));
      last = await seen(running);
    }
    over = true;
    await working;
    expect(calls).toBeGreaterThan(100);
    for (const cache of caches) expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0 });
  });
});

describe("a server with TLS files that it cannot use", () => {
  const refusal = (tls: Record<string, string>) => {
    const own = pem.folder.save("server", pem.authority.issue());
    return () => createServer({ listen: "127.0.0.1:0", security: { tls: { ...own, ...tls } } });
  };

  it.each([
    ["a certificate that is not there", () => ({ cert: "/nowhere/tls.crt" }), "tls.cert"],
    ["a key that is not there", () => ({ key: "/nowhere/tls.key" }), "tls.key"],
    [
      "a key of another certificate",
      () => ({ key: pem.folder.write("k", pem.authority.issue().key) }),
      "tls.key",
    ],
    [
      "authorities that are no certificates",
      () => ({ clientCa: pem.folder.write("c", "x") }),
      "tls.clientCa",
    ],
    [
      "an expired certificate",
      () => pem.folder.save("e", pem.authority.issue({ untilMs: -1_000 })),
      "tls.cert",
    ],
    ["an unknown version", () => ({ minVersion: "TLSv1.1" }), "tls.minVersion"],
  ])("is not made: %s", (_name, make, field) => {
    expect(refusal(make())).toThrow(
      expect.objectContaining({ reason: "FIELD_INVALID", detail: expect.objectContaining({ field }) }),
    );
  });
});

describe("a client with TLS", () => {
  /** A server that accepts connections with this certificate, and keeps what it decrypts. */
  async function impostor(certificate: { readonly cert: string; readonly key: string }, protocol = "h2") {
    const received: Buffer[] = [];
    const server = createTlsServer({ ...certificate, ALPNProtocols: [protocol] }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => received.push(chunk));
    });
    let attempts = 0;
    server.on("connection", () => {
      attempts += 1;
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    pem.undo.defer(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return { address: `127.0.0.1:${address.port}`, received, attempts: () => attempts };
  }

  it.each([
    ["of another authority", () => createAuthority().issue()],
    ["for another name", () => pem.authority.issue({ names: ["DNS:other.example", "IP:127.0.0.2"] })],
    ["that is expired", () => pem.authority.issue({ untilMs: -1_000 })],
    ["that is not valid yet", () => pem.authority.issue({ fromMs: DAY_MS })],
  ])("sends nothing to a server with a certificate %s", async (_name, make) => {
    const server = await impostor(make());
    await expect(roundTrip(open(server.address, { deadlineMs: 500 }))).rejects.toMatchObject({
      reason: expect.stringMatching(/UNAVAILABLE|DEADLINE/),
    });
    expect(server.attempts()).toBeGreaterThan(0);
    expect(server.received).toEqual([]);
  });

  it("sends nothing to a server without TLS, or without HTTP/2", async () => {
    const received: Buffer[] = [];
    const server = createNetServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => received.push(chunk));
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    pem.undo.defer(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    await expect(roundTrip(open(`127.0.0.1:${address.port}`, { deadlineMs: 300 }))).rejects.toThrow();
    // Its own ClientHello, and nothing else.
    expect(received.every((bytes) => bytes[0] === 0x16)).toBe(true);
    const old = await impostor(pem.authority.issue(), "http/1.1");
    await expect(roundTrip(open(old.address, { deadlineMs: 300 }))).rejects.toThrow();
    expect(old.received).toEqual([]);
  });

  it.each([
    ["a DNS name", "cache.example", ["DNS:cache.example"]],
    ["a SPIFFE id", "spiffe://example.org/cache", ["URI:spiffe://example.org/cache", "DNS:cache.example"]],
  ])("expects %s as its `serverName`, and no other", async (_name, serverName, names) => {
    const running = await start(pem.folder.save("named", pem.authority.issue({ names })));
    expect(await roundTrip(open(running.address, { tls: { ca: caPath, serverName } }))).toMatchObject(
      ROUND_TRIP_HIT,
    );
    const other = open(running.address, {
      tls: { ca: caPath, serverName: `${serverName}x` },
      deadlineMs: 300,
    });
    await expect(roundTrip(other)).rejects.toThrow();
  });

  it("takes no certificate with two SPIFFE ids", async () => {
    const names = ["URI:spiffe://example.org/cache", "URI:spiffe://example.org/other"];
    const running = await start(pem.folder.save("named", pem.authority.issue({ names })));
    const tls = { ca: caPath, serverName: "spiffe://example.org/cache" };
    await expect(roundTrip(open(running.address, { tls, deadlineMs: 300 }))).rejects.toThrow();
  });

  it("names the server in its ClientHello, where it has a name", async () => {
    const asked: string[] = [];
    const { cert, key } = pem.authority.issue();
    const server = createTlsServer({
      cert,
      key,
      ALPNProtocols: ["h2"],
      SNICallback(name, done) {
        asked.push(name);
        done(null);
      },
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    pem.undo.defer(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const connected = once(server, "secureConnection");
    void roundTrip(open(`localhost:${address.port}`, { deadlineMs: 1_000 })).catch(() => {});
    await connected;
    expect(asked).toEqual(["localhost"]);
  });

  it("reads its files before each connection, and keeps the last good ones", async () => {
    const next = createAuthority("next");
    const both = pem.folder.write("both.crt", pem.authority.cert + next.cert);
    const running = await start({ clientCa: both });
    const proxy = pem.undo.use(await startFaultProxy(running.address));
    const files = pem.folder.save("client", pem.authority.issue());
    const cache = open(proxy.address, { tls: { ca: caPath, ...files } });
    expect(await roundTrip(cache)).toMatchObject(ROUND_TRIP_HIT);
    writeFileSync(files.cert, "broken");
    proxy.reset();
    expect(await roundTrip(cache)).toMatchObject(ROUND_TRIP_HIT);
    pem.folder.save("client", next.issue());
    pem.folder.write("both.crt", next.cert);
    await eventually(async () => {
      proxy.reset();
      await roundTrip(cache);
      expect(handshakesOf(running).refused).toBe(0);
    });
    expect(cache.stats().connection.streams).toBeGreaterThanOrEqual(3);
  });

  it("fails with FIELD_INVALID while its files can never be used, and works when they can", async () => {
    const running = await start({ clientCa: caPath });
    const { cert, key } = pem.authority.issue();
    const files = { cert: `${pem.folder.path}/late.crt`, key: `${pem.folder.path}/late.key` };
    const cache = open(running.address, { tls: { ca: caPath, ...files }, deadlineMs: 500 });
    await expect(roundTrip(cache)).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      detail: { field: "tls.cert" },
    });
    pem.folder.save("late", { cert, key });
    await eventually(async () => expect(await roundTrip(cache)).toMatchObject(ROUND_TRIP_HIT));
  });

  it.each([
    [{ tls: 7 }, "tls"],
    [{ tls: { ca: 7 } }, "tls.ca"],
    [{ tls: { ca: "" } }, "tls.ca"],
    [{ tls: { cert: "a" } }, "tls"],
    [{ tls: { servername: "a" } }, "tls.servername"],
    [{ tls: {}, credentials: credentials.createInsecure() }, "tls"],
  ])("refuses %j", (options, field) => {
    const given: ClientOptions = Object.assign({ address: "127.0.0.1:1" }, options as object);
    expect(() => new MeshCache(given)).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ field }) }),
    );
  });
});

describe("a server beyond loopback", () => {
  const make = (listen: string, security: SecurityOptions) => () => createServer({ listen, security });
  const REFUSED = expect.objectContaining({
    reason: "FIELD_INVALID",
    detail: expect.objectContaining({ field: "listen" }),
  });

  it.each(["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "cache.example:0", "128.0.0.1:0"])(
    "at %s needs TLS and identities, or to be told that it does not",
    (listen) => {
      const tls = pem.folder.save("server", pem.authority.issue());
      expect(make(listen, {})).toThrow(REFUSED);
      expect(make(listen, { plaintext: true })).toThrow(REFUSED);
      expect(make(listen, { anonymous: true })).toThrow(REFUSED);
      expect(make(listen, { tls })).toThrow(REFUSED);
      expect(make(listen, { plaintext: true, anonymous: true })).not.toThrow();
      expect(make(listen, { tls, anonymous: true })).not.toThrow();
      expect(make(listen, { tls: { ...tls, clientCa: caPath } })).not.toThrow();
    },
  );

  it.each(["127.0.0.1:0", "127.1.2.3:0", "[::1]:0", "localhost:0"])("%s is loopback", (listen) => {
    expect(make(listen, {})).not.toThrow();
  });
});
