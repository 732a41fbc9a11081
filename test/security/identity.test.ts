/** Who calls are of: client certificates and tokens, of every wrong kind too, on streams that outlive them, and of the client. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { beforeEach, describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import { CacheService, ExchangeRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { type ClientOptions, json, MeshCache } from "../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../src/rpc/client.ts";
import { nameOfCertificate } from "../../src/security/identity/certificate-identity.ts";
import { readStaticTokens } from "../../src/security/identity/static-tokens.ts";
import type { SecurityOptions } from "../../src/security/security.ts";
import { createServer } from "../../src/server/index.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../src/telemetry/telemetry.ts";
import { type Authority, type Certificate, createAuthority } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import { usePemTest } from "../support/pem-test.ts";
import {
  CALL_HEADERS,
  connectSocket,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  PREFACE,
} from "../support/raw-http2.ts";
import { ROUND_TRIP_HIT, roundTrip } from "../support/round-trip.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { ANNOUNCED } from "../support/single-stream-peer.ts";

const RELOAD_MS = 100;
const SECRET = "tok-orders-canary";
const OTHER = "tok-users-canary";
const ORDERS = { names: ["URI:spiffe://example.org/orders"] };
const OPEN = create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: { clientId: "c" } } });
const sha256 = (token: string) => createHash("sha256").update(token).digest("hex");

const pem = usePemTest();

let tokens: string;

beforeEach(() => {
  tokens = pem.folder.write(
    "tokens",
    `# services\norders ${sha256(SECRET)}\nusers ${sha256(OTHER).toUpperCase()} # upper\n`,
  );
});

interface Observed extends RunningServer {
  readonly observed: ThreadObservation;
  readonly logged: string[];
}

async function start(security: SecurityOptions, acceleration: "on" | "off" = "on"): Promise<Observed> {
  let observed: ThreadObservation | undefined;
  const logged: string[] = [];
  const log = (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const running = await startServer({
    security: { reloadMs: RELOAD_MS, ...security },
    acceleration,
    telemetry: {
      ...createNoTelemetry({ info: log, warn: log, error: log }),
      observeThread(observation) {
        observed = observation;
        return () => {};
      },
    },
  });
  pem.undo.defer(() => running.stop());
  if (observed === undefined) throw new Error("nothing observes the server");
  return { ...running, observed, logged };
}

function plainClient(address: string): ServiceClient {
  const client = createServiceClient(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  pem.undo.defer(() => client.close());
  return client;
}

function withToken(...tokensOf: string[]) {
  const metadata = new Metadata();
  for (const token of tokensOf) metadata.add("authorization", token);
  return { metadata };
}

const UNAUTHENTICATED = { reason: "UNAUTHENTICATED" };
const get = (client: ServiceClient, ...authorization: string[]) =>
  client.unary(CacheService.method.get, { namespace: "users", key: "k" }, withToken(...authorization));

function open(address: string, options: Partial<ClientOptions> = {}): MeshCache {
  const cache = new MeshCache({ address, deadlineMs: 5_000, ...options });
  pem.undo.defer(async () => {
    await cache.close({ graceMs: 0 });
  });
  return cache;
}

describe.each(["on", "off"] as const)("static tokens with acceleration %s", (acceleration) => {
  it("let calls of every kind in, and refuse those without", async () => {
    const running = await start({ tokens }, acceleration);
    const client = plainClient(running.address);
    const bearer = `Bearer ${SECRET}`;
    await get(client, bearer);
    await get(client, `bearer ${OTHER}`);
    await client.unary(AdminService.method.stats, {}, withToken(bearer));
    const stream = client.serverStream(CacheService.method.stream, { namespace: "users" }, withToken(bearer));
    stream.on("error", () => {});
    await once(stream, "data");
    stream.cancel();

    await expect(get(client)).rejects.toMatchObject(UNAUTHENTICATED);
    await expect(client.unary(AdminService.method.stats, {})).rejects.toMatchObject(UNAUTHENTICATED);
    await expect(client.unary(CacheService.method.batch, { namespace: "users" })).rejects.toMatchObject(
      UNAUTHENTICATED,
    );
    const refused = client.serverStream(CacheService.method.stream, { namespace: "users" });
    const [error] = await once(refused, "error").catch((thrown) => [thrown]);
    expect(error).toMatchObject({ code: status.UNAUTHENTICATED });
    const exchange = client.bidi(CacheService.method.exchange);
    const failed = new Promise((resolve) => exchange.on("error", resolve));
    exchange.on("data", () => {});
    expect(await failed).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it("are refused when they are wrong in any way, and none is repeated anywhere", async () => {
    const running = await start({ tokens }, acceleration);
    const client = plainClient(running.address);
    const wrong: string[][] = [
      ["Bearer wrong-canary"],
      [`Bearer ${SECRET}x`],
      [SECRET],
      [`Basic ${SECRET}`],
      ["Bearer "],
      ["Bearer"],
      [`Bearer ${SECRET} ${SECRET}`],
      [`Bearer ${SECRET},${SECRET}`],
      [`Bearer ${sha256(SECRET)}`],
      [`Bearer ${"canary".repeat(1_500)}`],
      ["Bearer __proto__"],
    ];
    for (const values of wrong) {
      const error = await get(client, ...values).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error, values.join(" | ").slice(0, 60)).toMatchObject(UNAUTHENTICATED);
      expect(String(error)).not.toContain("canary");
    }
    expect(running.logged.join()).not.toContain("canary");
    const { absent, malformed, unknown } = running.observed.authenticationFailures();
    expect((absent ?? 0) + (malformed ?? 0) + (unknown ?? 0)).toBe(wrong.length);
    await get(client, `Bearer ${SECRET}`);
  });

  it("are not needed for health", async () => {
    const running = await start({ tokens }, acceleration);
    expect(await running.health()).toBe("SERVING");
    await plainClient(running.address).unary(Health.method.list, {});
  });

  it("serve the client, which asks for one before each connection", async () => {
    const running = await start({ tokens }, acceleration);
    let asked = 0;
    const cache = open(running.address, {
      token: async () => {
        asked += 1;
        return SECRET;
      },
    });
    expect(await roundTrip(cache)).toMatchObject(ROUND_TRIP_HIT);
    expect(asked).toBe(1);
    await expect(roundTrip(open(running.address, { deadlineMs: 1_000 }))).rejects.toMatchObject(
      UNAUTHENTICATED,
    );
    const wrong = open(running.address, { token: () => "wrong", deadlineMs: 1_000 });
    await expect(roundTrip(wrong)).rejects.toMatchObject(UNAUTHENTICATED);
  });

  it("that leave the file end their streams, and those that stay go on", async () => {
    const running = await start({ tokens }, acceleration);
    const client = plainClient(running.address);
    const follow = (token: string) => {
      const stream = client.serverStream(
        CacheService.method.stream,
        { namespace: "users" },
        withToken(`Bearer ${token}`),
      );
      stream.on("data", () => {});
      return { stream, ended: new Promise<unknown>((resolve) => stream.on("error", resolve)) };
    };
    const leaving = follow(SECRET);
    const staying = follow(OTHER);
    await Promise.all([once(leaving.stream, "data"), once(staying.stream, "data")]);
    pem.folder.write("tokens", `users ${sha256(OTHER)}\n`);
    expect(await leaving.ended).toMatchObject({ code: status.UNAUTHENTICATED });
    await expect(get(client, `Bearer ${SECRET}`)).rejects.toMatchObject(UNAUTHENTICATED);
    const next = once(staying.stream, "data");
    await client.unary(
      CacheService.method.set,
      { namespace: "users", key: "k" },
      withToken(`Bearer ${OTHER}`),
    );
    await next;
    staying.stream.cancel();
    expect(running.logged.join()).toContain("the tokens were replaced");
  });

  it("that become another principal's end their streams, and their calls are of that one", async () => {
    const running = await start({ tokens }, acceleration);
    const client = plainClient(running.address);
    const bearer = withToken(`Bearer ${SECRET}`);
    const principal = async () =>
      (await client.unary(AdminService.method.describeCaller, {}, bearer)).principal;
    expect(await principal()).toBe("token:orders");
    const stream = client.serverStream(CacheService.method.stream, { namespace: "users" }, bearer);
    const exchange = client.bidi(CacheService.method.exchange, bearer);
    exchange.write(OPEN);
    const ends = [stream, exchange].map((one) => new Promise((resolve) => one.on("error", resolve)));
    await Promise.all([once(stream, "data"), once(exchange, "data")]);
    pem.folder.write("tokens", `billing ${sha256(SECRET)}\n`);
    for (const end of ends) expect(await end).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await principal()).toBe("token:billing");
  });

  it("are kept when the new file cannot be used, and all its faults are told by line", async () => {
    const running = await start({ tokens }, acceleration);
    const client = plainClient(running.address);
    pem.folder.write("tokens", `orders canary\nusers ${sha256(OTHER)}\n\nx ${sha256(OTHER)}\n`);
    await eventually(() => expect(running.observed.securityFilesRefused()).toBe(true));
    await get(client, `Bearer ${SECRET}`);
    expect(running.logged.join()).not.toContain("canary");
    pem.folder.write("tokens", `orders ${sha256("new")}\n`);
    await eventually(async () => get(client, "Bearer new"));
    expect(running.observed.securityFilesRefused()).toBe(false);
  });
});

describe("two authorization headers", () => {
  it.each([
    ["node:http2", frame(FRAME.settings, 0, 0)],
    ["the single-stream path", ANNOUNCED],
  ])("are refused by %s, although each is a token", async (_name, settings) => {
    const running = await start({ tokens });
    const { socket } = await connectSocket(running.port, false);
    pem.undo.defer(() => void socket.destroy());
    const bearer = headerBlock({ authorization: `Bearer ${SECRET}` });
    const block = Buffer.concat([headerBlock(CALL_HEADERS), bearer, bearer]);
    socket.write(
      Buffer.concat([Buffer.from(PREFACE), settings, frame(FRAME.headers, FLAG.endHeaders, 1, block)]),
    );
    await eventually(() => expect(running.observed.authenticationFailures()).toMatchObject({ malformed: 1 }));
  });
});

describe("a file of static tokens", () => {
  const digest = sha256("x");

  it("is refused with all its faulty lines, none of which is repeated", () => {
    const text = `ok ${digest}\nno\n-bad ${digest}\nshort ${digest.slice(1)}\nagain ${digest}\n  \n# canary\n`;
    let message = "";
    try {
      readStaticTokens("tokens", text);
    } catch (error) {
      message = String(error);
    }
    for (const line of [2, 3, 4, 5]) expect(message).toContain(`line ${line} `);
    expect(message).not.toContain(digest);
    expect(message).not.toMatch(/line [167] /);
  });

  it("that is not there makes no server", () => {
    const make = () => createServer({ listen: "127.0.0.1:0", security: { tokens: "/nowhere" } });
    expect(make).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ field: "security.tokens" }) }),
    );
  });

  it("is an identity beyond loopback", () => {
    const make = (security: SecurityOptions) => () => createServer({ listen: "0.0.0.0:0", security });
    expect(make({ tokens, plaintext: true })).not.toThrow();
    expect(make({ tokens })).toThrow();
  });
});

describe("the name of a client certificate", () => {
  it.each([
    ["URI:spiffe://example.org/orders", "spiffe://example.org/orders"],
    ["DNS:a.example, URI:spiffe://example.org/ns/prod/sa/orders", "spiffe://example.org/ns/prod/sa/orders"],
    ["URI:spiffe://example.org", "spiffe://example.org"],
    ["DNS:Orders.Example", "dns:orders.example"],
    ["DNS:orders.example, IP Address:10.0.0.1", "dns:orders.example"],
    ["URI:spiffe://example.org/a, URI:spiffe://example.org/b", undefined],
    ["URI:spiffe://example.org/a, URI:https://example.org", undefined],
    ["URI:https://example.org/a, DNS:a.example", undefined],
    ["URI:spiffe://EXAMPLE.org/a", undefined],
    ["URI:spiffe://example.org/a/", undefined],
    ["URI:spiffe://example.org/../b", undefined],
    ["URI:spiffe://example.org/a?b", undefined],
    ["URI:spiffe://user@example.org/a", undefined],
    ['URI:"spiffe://example.org/a, DNS:b.example"', undefined],
    [`URI:spiffe://example.org/${"a".repeat(2_048)}`, undefined],
    ["DNS:a.example, DNS:b.example", undefined],
    ["DNS:*.example", undefined],
    ["IP Address:10.0.0.1", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%s is %s", (subjectAltName, name) => {
    expect(nameOfCertificate(subjectAltName)).toBe(name);
  });
});

describe.each(["on", "off"] as const)("client certificates with acceleration %s", (acceleration) => {
  const files = (names: readonly string[], untilMs?: number) =>
    pem.folder.save(
      `client${Math.random()}`,
      pem.authority.issue({ names, ...(untilMs === undefined ? {} : { untilMs }) }),
    );
  const startTls = (more: SecurityOptions = {}) => {
    const ca = pem.folder.write("ca.crt", pem.authority.cert);
    const server = pem.folder.save("server", pem.authority.issue());
    return start({ tls: { ...server, clientCa: ca }, ...more }, acceleration);
  };
  const caOf = () => pem.folder.write("trust.crt", pem.authority.cert);

  it("with two URIs, two DNS names or no name get no connection", async () => {
    const running = await startTls();
    const good = files(["URI:spiffe://example.org/orders"]);
    expect(await roundTrip(open(running.address, { tls: { ca: caOf(), ...good } }))).toMatchObject(
      ROUND_TRIP_HIT,
    );
    for (const names of [
      ["URI:spiffe://example.org/a", "URI:spiffe://example.org/b"],
      ["DNS:a.example", "DNS:b.example"],
      ["URI:https://example.org"],
      [],
    ]) {
      const before = running.observed.tls?.handshakes().refused ?? 0;
      const cache = open(running.address, { tls: { ca: caOf(), ...files(names) }, deadlineMs: 500 });
      await expect(roundTrip(cache)).rejects.toThrow();
      await eventually(() => expect(running.observed.tls?.handshakes().refused).toBeGreaterThan(before));
    }
  });

  const expiring = { untilMs: 2_500 };
  it.each([
    ["they expire", () => pem.authority.issue({ ...ORDERS, ...expiring })],
    ["one between them and their authority expires", () => behind(pem.authority.intermediate(expiring))],
  ])("end their connections when %s, and their streams at once", async (_what, make) => {
    const running = await startTls();
    const client = secureClient(running, make());
    const stream = client.serverStream(CacheService.method.stream, { namespace: "users" });
    stream.on("data", () => {});
    const ended = new Promise((resolve) => stream.on("error", resolve));
    expect(await ended).toMatchObject({ code: status.UNAUTHENTICATED });
    await expect(client.unary(CacheService.method.get, { namespace: "users", key: "k" })).rejects.toThrow();
  });

  it("end their connections when their authority leaves the file, and others go on", async () => {
    const running = await startTls();
    const next = createAuthority("next");
    const own = secureClient(running, pem.authority.issue({ names: ["URI:spiffe://example.org/old"] }));
    await own.unary(CacheService.method.get, { namespace: "users", key: "k" });
    const stream = own.serverStream(CacheService.method.stream, { namespace: "users" });
    const ended = new Promise((resolve) => stream.on("error", resolve));
    await once(stream, "data");
    pem.folder.write("ca.crt", pem.authority.cert + next.cert);
    await eventually(() => expect(running.logged.join()).toContain("certificate was replaced"));
    const young = secureClient(running, next.issue({ names: ["URI:spiffe://example.org/new"] }));
    const kept = young.serverStream(CacheService.method.stream, { namespace: "users" });
    kept.on("error", () => {});
    await once(kept, "data");
    await own.unary(CacheService.method.get, { namespace: "users", key: "k" });
    pem.folder.write("ca.crt", next.cert);
    expect(await ended).toMatchObject({ code: expect.anything() });
    const news = once(kept, "data");
    await young.unary(CacheService.method.set, { namespace: "users", key: "k" });
    await news;
    kept.cancel();
  });

  it("and tokens may be given together: both must be valid", async () => {
    const running = await startTls({ tokens });
    const client = secureClient(running, pem.authority.issue({ names: ["DNS:orders.example"] }));
    await get(client);
    await get(client, `Bearer ${SECRET}`);
    await expect(get(client, "Bearer wrong")).rejects.toMatchObject(UNAUTHENTICATED);
  });

  it("and tokens of one connection must stay the same principal, also while a stream lasts", async () => {
    const allow = [{ namespaces: ["*"], may: ["read", "subscribe"] }];
    const [certificate, token] = [`spiffe://example.org/orders`, "token:orders"];
    const policyOf = (...principals: readonly (readonly string[])[]) =>
      JSON.stringify({ principals: principals.map((match, at) => ({ name: `p${at}`, match, allow })) });
    const policy = pem.folder.write("policy.yaml", policyOf([certificate, token]));
    const running = await startTls({ tokens, policy });
    const client = secureClient(running, pem.authority.issue(ORDERS));
    const bearer = withToken(`Bearer ${SECRET}`);
    await get(client, `Bearer ${SECRET}`);
    await expect(get(client, `Bearer ${OTHER}`)).rejects.toMatchObject(UNAUTHENTICATED);
    const open = {
      stream: client.serverStream(CacheService.method.stream, { namespace: "users" }, bearer),
      exchange: client.bidi(CacheService.method.exchange, bearer),
      certified: client.serverStream(CacheService.method.stream, { namespace: "users" }),
    };
    const ends = Object.values(open).map(
      (one) => new Promise((resolve) => one.on("error", resolve).on("data", () => {})),
    );
    open.exchange.write(OPEN);
    await Promise.all([once(open.exchange, "data"), once(open.stream, "data"), once(open.certified, "data")]);
    pem.folder.write("policy.yaml", policyOf([certificate], [token]));
    for (const end of ends.slice(0, 2)) expect(await end).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(open.certified.destroyed).toBe(false);
    await expect(get(client, `Bearer ${SECRET}`)).rejects.toMatchObject(UNAUTHENTICATED);
    await get(client);
    open.certified.cancel();
  });

  it("end the streams of tokens on their connections at once when they expire", async () => {
    const running = await startTls({ tokens });
    const client = secureClient(running, pem.authority.issue({ ...ORDERS, ...expiring }));
    const call = withToken(`Bearer ${SECRET}`);
    const stream = client.serverStream(CacheService.method.stream, { namespace: "users" }, call);
    stream.on("data", () => {});
    const ended = new Promise((resolve) => stream.on("error", resolve));
    expect(await ended).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it("are not replaced by a header", async () => {
    const running = await start({ tokens }, acceleration);
    const metadata = new Metadata();
    metadata.set("x-forwarded-client-cert", "URI=spiffe://example.org/orders");
    const call = plainClient(running.address).unary(
      CacheService.method.get,
      { namespace: "a", key: "k" },
      { metadata },
    );
    await expect(call).rejects.toMatchObject(UNAUTHENTICATED);
  });

  function behind(intermediate: Authority): Certificate {
    const { cert, key } = intermediate.issue(ORDERS);
    return { cert: cert + intermediate.cert, key };
  }

  function secureClient(running: RunningServer, { cert, key }: Certificate): ServiceClient {
    const secure = credentials.createSsl(
      Buffer.from(pem.authority.cert),
      Buffer.from(key),
      Buffer.from(cert),
    );
    const client = createServiceClient(running.address, secure, {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.ssl_target_name_override": "localhost",
    });
    pem.undo.defer(() => client.close());
    return client;
  }
});

describe("the token of a client", () => {
  const jwt = (exp: number, of = SECRET) =>
    [{ alg: "none" }, { exp }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .concat(of)
      .join(".");

  it("is renewed before it expires, and the subscription loses nothing", async () => {
    const issued: string[] = [];
    const issue = (inMs: number) => {
      const token = jwt((Date.now() + inMs) / 1_000, `t${issued.length}`);
      issued.push(token);
      return token;
    };
    const first = issue(3_000);
    const second = issue(600_000);
    const file = pem.folder.write(
      "jwts",
      `a ${sha256(first)}\na2 ${sha256(second)}\nwriter ${sha256(OTHER)}\n`,
    );
    const running = await start({ tokens: file });
    const asked = [first, second];
    const cache = open(running.address, { token: () => asked.shift() ?? second });
    const writer = open(running.address, { token: () => OTHER }).namespace("users", {
      codec: json<number>(),
    });
    const users = cache.namespace("users", { codec: json<number>() });
    await using subscription = users.subscribe();
    await subscription.isLive;
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const event of subscription) {
        if (event.kind === "gap") seen.push("gap");
        else seen.push(event.name);
        if (event.kind !== "gap" && event.name === "last") return;
      }
    })();
    let written = 0;
    await eventually(async () => {
      await writer.set(`k${written}`, written);
      written += 1;
      expect(cache.stats().connection.streams).toBe(2);
    });
    await writer.set("last", 0);
    await reading;
    expect(seen).toEqual([...Array.from({ length: written }, (_, at) => `k${at}`), "last"]);
    expect(cache.stats().connection.failures).toBe(0);
    expect(asked).toEqual([]);
  });

  it.each([
    ["throws", () => Promise.reject(new Error("canary")), "UNAUTHENTICATED"],
    ["gives nothing", () => Promise.resolve(""), "FIELD_INVALID"],
    ["gives two lines", () => Promise.resolve("a\nb"), "FIELD_INVALID"],
  ])("fails its operations while it %s", async (_name, token, reason) => {
    const running = await start({ tokens });
    const error = await roundTrip(open(running.address, { token, deadlineMs: 500 })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ reason });
    expect(String(error)).not.toContain("canary");
  });

  it("that never comes is a connection that failed", async () => {
    const running = await start({ tokens });
    const cache = open(running.address, {
      token: () => new Promise(() => {}),
      connectTimeoutMs: 100,
      deadlineMs: 500,
    });
    await expect(roundTrip(cache)).rejects.toMatchObject({
      reason: expect.stringMatching(/UNAVAILABLE|DEADLINE/),
    });
  });

  it.each([[{ token: "x" }], [{ token: () => "x", credentials: credentials.createInsecure() }]])(
    "is refused as %j",
    (options: object) => {
      const given: ClientOptions = Object.assign({ address: "127.0.0.1:1" }, options);
      expect(() => new MeshCache(given)).toThrow(
        expect.objectContaining({ detail: expect.objectContaining({ field: "token" }) }),
      );
    },
  );
});
