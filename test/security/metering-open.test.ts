/** What principals may have at a time: connections, streams, and memory that their calls hold. */
import { connect } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService, GetRequestSchema, SetRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { encodeMessage, methodPath } from "../../src/codec/messages.ts";
import { json, MeshCache } from "../../src/index.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";
import { fromServiceError } from "../../src/rpc/status.ts";
import { PERMISSIONS } from "../../src/security/access/access.ts";
import { createAuthority } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import { as, type Guarded, GuardedServers, type LimitedRights } from "../support/guarded-servers.ts";
import { answerOf, connectRaw, framed, type RawAnswer } from "../support/raw-grpc.ts";

let servers: GuardedServers;
beforeEach(() => {
  servers = new GuardedServers();
});
afterEach(() => servers[Symbol.asyncDispose]());

const { method } = CacheService;
const namespace = "orders";
const MIB = 2 ** 20;
const limitedTo = (limits: Readonly<Record<string, number>>, ...match: string[]): LimitedRights => ({
  ...(match.length > 0 && { match }),
  limits,
  allow: [{ namespaces: ["*"], may: PERMISSIONS }],
});
const get = (client: ServiceClient, name: string): Promise<unknown> =>
  client.unary(method.get, { namespace, key: "k" }, as(name)).then(
    () => undefined,
    (error: unknown) => error,
  );
const spent = (limit: string, bound: number) => ({
  reason: "LIMIT_EXCEEDED",
  detail: { limit, bound: String(bound) },
  retryAfterMs: 1_000,
});

describe.each(["on", "off"] as const)("with acceleration %s, connections", (acceleration) => {
  it("of a principal with a token are bounded from their first call to their end", async () => {
    const running = await servers.start(
      { few: limitedTo({ connectionsMax: 2 }), other: limitedTo({}) },
      { acceleration },
    );
    const clients = [servers.clientOf(running), servers.clientOf(running), servers.clientOf(running)];
    const [first, second, third] = clients;
    if (first === undefined || second === undefined || third === undefined) throw new Error("no client");
    expect([await get(first, "few"), await get(second, "few"), await get(first, "few")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const refused = spent("principal_connections", 2);
    expect(await get(third, "few")).toMatchObject(refused);
    // The same connection is one of another principal too, which has room.
    expect(await get(third, "other")).toBeUndefined();
    await eventually(() =>
      expect(running.observed.quotaRefusals()).toMatchObject({ principal_connections: 1 }),
    );
    first.close();
    await eventually(async () => expect(await get(third, "few")).toBeUndefined());
  });

  it("of the client count, and it says why it gets none", async () => {
    const running = await servers.start({ few: limitedTo({ connectionsMax: 1 }) }, { acceleration });
    const open = () => servers.cacheOf(running, "few").namespace(namespace, { codec: json<string>() });
    await open().set("k", "v");
    await expect(open().set("k", "w")).rejects.toMatchObject(spent("principal_connections", 1));
  });

  it("with client certificates are bounded from the handshake on, told so, and closed", async () => {
    const authority = createAuthority();
    const ca = servers.folder.write("ca.crt", authority.cert);
    const own = servers.folder.save("server", authority.issue({ names: ["IP:127.0.0.1"] }));
    const orders = authority.issue({ names: ["URI:spiffe://mesh/orders"] });
    const running = await servers.start(
      { orders: limitedTo({ connectionsMax: 2 }, "spiffe://mesh/orders") },
      { acceleration, security: { tls: { ...own, clientCa: ca } } },
    );
    const sessions = [0, 1, 2].map(() => {
      const session = connect(`https://${running.address}`, { ca: authority.cert, ...orders });
      session.on("error", () => {});
      servers.defer(() => session.destroy());
      return session;
    });
    for (const session of sessions.slice(0, 2))
      await new Promise((resolve) => session.once("remoteSettings", resolve));
    const [, , third] = sessions;
    if (third === undefined) throw new Error("no session");
    const closed = new Promise((resolve) => third.once("close", resolve));
    await closed;
    const files = servers.folder.save("orders", orders);
    const cache = new MeshCache({ address: running.address, tls: { ca, ...files }, deadlineMs: 5_000 });
    servers.defer(async () => void (await cache.close({ graceMs: 0 })));
    const users = cache.namespace(namespace, { codec: json<string>() });
    await expect(users.set("k", "v")).rejects.toMatchObject(spent("principal_connections", 2));
    sessions[0]?.destroy();
    await eventually(async () => expect(await users.set("k", "v")).toMatchObject({ kind: "stored" }));
  });
});

describe.each(["on", "off"] as const)("with acceleration %s, streams", (acceleration) => {
  it("of a principal are bounded on all its connections, until they end", async () => {
    const running = await servers.start({ few: limitedTo({ streamsMax: 2 }) }, { acceleration });
    const open = () => {
      const stream = servers.clientOf(running).serverStream(method.stream, { namespace }, as("few"));
      stream.on("data", () => {});
      const failed = new Promise<unknown>((resolve) =>
        stream.on("error", (error) => resolve(fromServiceError(Object.assign(error)))),
      );
      return { stream, failed, opened: new Promise((resolve) => stream.once("data", resolve)) };
    };
    const [first, second] = [open(), open()];
    await Promise.all([first.opened, second.opened]);
    expect(await open().failed).toMatchObject(spent("principal_streams", 2));
    expect(await get(servers.clientOf(running), "few")).toBeUndefined();
    first.stream.cancel();
    await eventually(async () => {
      const next = open();
      await Promise.race([next.opened, next.failed.then((error) => Promise.reject(error))]);
    });
  });
});

describe.each(["on", "off"] as const)("with acceleration %s, memory that calls hold", (acceleration) => {
  const set = framed(
    encodeMessage(
      SetRequestSchema,
      create(SetRequestSchema, { namespace, key: "k", value: new Uint8Array(MIB) }),
    ),
  );
  const getRequest = framed(
    encodeMessage(GetRequestSchema, create(GetRequestSchema, { namespace, key: "k" })),
  );
  const authorization = { authorization: "Bearer few" };

  async function connectTo(running: Guarded) {
    const raw = await connectRaw(running.address, { settings: { initialWindowSize: 0 } });
    servers.defer(() => raw.close());
    return raw;
  }

  it("is bounded for the requests of a principal on all its connections, and others have room", async () => {
    const running = await servers.start(
      { few: limitedTo({ heldMaxBytes: 4 * MIB }), other: limitedTo({}) },
      { acceleration },
    );
    const answers: RawAnswer[] = [];
    for (let connection = 0; connection < 8; connection += 1) {
      const stream = (await connectTo(running)).open(methodPath(method.set), authorization);
      stream.write(set.subarray(0, set.length - 1));
      void answerOf(stream).then((answer) => answers.push(answer));
    }
    await eventually(() => expect(answers.map(({ reason }) => reason)).toContain("LIMIT_EXCEEDED"));
    expect(running.observed.quotaRefusals().principal_held_bytes).toBeGreaterThan(0);
    const client = servers.clientOf(running);
    const value = new Uint8Array(MIB);
    await client.unary(method.set, { namespace, key: "k", value }, as("other"));
    expect(await get(client, "other")).toBeUndefined();
  });

  it("is bounded for answers that a principal does not take, and others get theirs", async () => {
    const running = await servers.start(
      { few: limitedTo({ heldMaxBytes: 4 * MIB }), other: limitedTo({}) },
      { acceleration },
    );
    const client = servers.clientOf(running);
    await client.unary(method.set, { namespace, key: "k", value: new Uint8Array(MIB) }, as("other"));
    const heldBytes = () => running.observed.heldBytes();
    for (let connection = 0; connection < 8; connection += 1) {
      const raw = await connectTo(running);
      for (let call = 0; call < 4; call += 1) {
        const stream = raw.open(methodPath(method.get), authorization);
        stream.end(getRequest);
      }
    }
    await eventually(() => expect(heldBytes()).toBeGreaterThan(2 * MIB));
    for (let call = 0; call < 20; call += 1) {
      expect(await get(client, "other")).toBeUndefined();
      // Its answer is one of them, and one of the principal may be beyond.
      expect(heldBytes()).toBeLessThan(6.5 * MIB);
    }
  });
});
