import { once } from "node:events";
import { readFileSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import {
  CacheService,
  ExchangeRequestSchema,
  type ExchangeResponse,
  type OperationSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { type ClientEvent, json } from "../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../src/rpc/client.ts";
import { fromServiceError, fromStatus } from "../../src/rpc/status.ts";
import {
  NEEDS,
  namesOf,
  PERMISSIONS,
  type Permission,
  permission,
} from "../../src/security/access/access.ts";
import { AuditLog } from "../../src/security/access/audit-log.ts";
import { readPolicy } from "../../src/security/policy/policy.ts";
import { PolicyInForce } from "../../src/security/policy/policy-access.ts";
import { createServer } from "../../src/server/index.ts";
import { createAuthority } from "../support/certificates.ts";
import { runCommand } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { as, GuardedServers, policyOf, type Rights } from "../support/guarded-servers.ts";
import type { RunningServer } from "../support/running-server.ts";

let undo: GuardedServers;
beforeEach(() => {
  undo = new GuardedServers();
});
afterEach(() => undo[Symbol.asyncDispose]());

const start = (principals: Readonly<Record<string, readonly Rights[]>>, acceleration?: "on" | "off") =>
  undo.start(principals, acceleration === undefined ? {} : { acceleration });
const clientOf = (running: RunningServer) => undo.clientOf(running);

const namespace = "orders";
const value = Buffer.from("v");
/** Operations, and what each needs. */
const OPERATIONS: readonly (readonly [
  name: string,
  operation: MessageInitShape<typeof OperationSchema>["operation"],
  needed: number,
])[] = [
  ["Get", { case: "get", value: { namespace, key: "k" } }, permission.read],
  ["Set", { case: "set", value: { namespace, key: "k", value } }, permission.write],
  [
    "Set if absent",
    { case: "set", value: { namespace, key: "k", value, condition: { case: "ifAbsent", value: true } } },
    permission.write | permission.read,
  ],
  [
    "Set if present",
    { case: "set", value: { namespace, key: "k", value, condition: { case: "ifPresent", value: true } } },
    permission.write | permission.read,
  ],
  [
    "Set if version",
    { case: "set", value: { namespace, key: "k", value, condition: { case: "ifVersion", value: 7n } } },
    permission.write | permission.read,
  ],
  [
    "Set by a lease",
    { case: "set", value: { namespace, key: "k", value, condition: { case: "leaseToken", value: 7n } } },
    permission.write | permission.read,
  ],
  [
    "Set by a source version",
    { case: "set", value: { namespace, key: "k", value, sourceVersion: 7n } },
    permission.write | permission.read,
  ],
  [
    "Touch",
    { case: "touch", value: { namespace, key: "k", ttlMs: 1_000n } },
    permission.write | permission.read,
  ],
  [
    "Increment",
    { case: "increment", value: { namespace, key: "counter" } },
    permission.write | permission.read,
  ],
  ["ListKeys", { case: "listKeys", value: { namespace, prefix: "k" } }, permission.inspect],
  ["Lease", { case: "lease", value: { namespace, key: "free" } }, permission.write | permission.read],
  [
    "the return of a lease",
    { case: "lease", value: { namespace, key: "free", releaseToken: 7n } },
    permission.write | permission.read,
  ],
  [
    "Invalidate keys",
    { case: "invalidate", value: { namespace, target: { case: "keys", value: { keys: ["k"] } } } },
    permission.invalidate,
  ],
  [
    "Invalidate tags",
    { case: "invalidate", value: { namespace, target: { case: "tags", value: { tags: ["t"] } } } },
    permission.invalidate,
  ],
  [
    "Invalidate a prefix",
    { case: "invalidate", value: { namespace, target: { case: "prefix", value: "k" } } },
    permission.invalidate,
  ],
  [
    "Invalidate all",
    { case: "invalidate", value: { namespace, target: { case: "all", value: true } } },
    permission.invalidate | permission.admin,
  ],
];

/** The outcome of one operation by each kind of call: undefined, or its error. */
async function byEachCall(
  client: ServiceClient,
  name: string,
  operation: (typeof OPERATIONS)[number][1],
): Promise<unknown[]> {
  const settle = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );
  const { method } = CacheService;
  const unary = (() => {
    switch (operation?.case) {
      case "get":
        return client.unary(method.get, operation.value, as(name));
      case "set":
        return client.unary(method.set, operation.value, as(name));
      case "touch":
        return client.unary(method.touch, operation.value, as(name));
      case "increment":
        return client.unary(method.increment, operation.value, as(name));
      case "listKeys":
        return client.unary(method.listKeys, operation.value, as(name));
      case "lease":
        return client.unary(method.lease, operation.value, as(name));
      case "invalidate":
        return client.unary(method.invalidate, operation.value, as(name));
      default:
        throw new Error("no operation");
    }
  })();
  const of = (result: { result: { case?: string | undefined; value?: unknown } } | undefined) =>
    result?.result.case === "error" ? fromStatus(Object.assign(Object(result.result.value))) : undefined;
  const batch = client
    .unary(
      method.batch,
      { operations: [{ operation }, { operation: { case: "get", value: { namespace: "open", key: "k" } } }] },
      as(name),
    )
    .then(({ results }) => {
      // The other operation of the batch goes on.
      expect(results[1]?.result.case).toBe("get");
      const error = of(results[0]);
      if (error !== undefined) throw error;
    });
  const exchange = exchangeOf(client, name, [{ case: "batch", value: { operations: [{ operation }] } }]).then(
    ([answer]) => {
      const error =
        answer?.frame.case === "batch" ? of(answer.frame.value.results[0]) : new Error("no batch");
      if (error !== undefined) throw error;
    },
  );
  return Promise.all([settle(unary), settle(batch), settle(exchange)]);
}

/** The answers to these frames behind Open. */
function exchangeOf(
  client: ServiceClient,
  name: string,
  frames: readonly MessageInitShape<typeof ExchangeRequestSchema>["frame"][],
): Promise<ExchangeResponse[]> {
  return new Promise((resolve, reject) => {
    const call = client.bidi(CacheService.method.exchange, as(name));
    const answers: ExchangeResponse[] = [];
    call.on("data", (answer: ExchangeResponse) => answers.push(answer));
    call.on("error", (error) => reject(fromServiceError(Object.assign(error))));
    call.on("end", () => resolve(answers.filter(({ id }) => id > 1n)));
    const all: typeof frames = [{ case: "open", value: {} }, ...frames];
    for (const [index, frame] of all.entries())
      call.write(create(ExchangeRequestSchema, { id: BigInt(index + 1), ...(frame && { frame }) }));
    call.end();
  });
}

describe.each(["on", "off"] as const)("permissions with acceleration %s", (acceleration) => {
  it("are asked for by each operation, in each kind of call", async () => {
    const open: Rights = { namespaces: ["open"], may: ["read"] };
    const principals: Record<string, Rights[]> = { all: [{ namespaces: ["*"], may: PERMISSIONS }] };
    for (const [index, [, , needed]] of OPERATIONS.entries()) {
      for (const name of namesOf(needed)) {
        const without = PERMISSIONS.filter((one) => one !== name);
        principals[`p${index}${name}`] = [open, { namespaces: [namespace], may: without }];
      }
      principals[`p${index}`] = [open, { namespaces: [namespace], may: namesOf(needed) }];
    }
    const running = await start(principals, acceleration);
    const client = clientOf(running);
    for (const [index, [what, operation, needed]] of OPERATIONS.entries()) {
      expect(await byEachCall(client, `p${index}`, operation), what).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(await byEachCall(client, "all", operation), what).toEqual([undefined, undefined, undefined]);
      const denied = { reason: "PERMISSION_DENIED", detail: { permission: namesOf(needed).join(" and ") } };
      for (const name of namesOf(needed)) {
        const outcomes = await byEachCall(client, `p${index}${name}`, operation);
        expect(outcomes, `${what} without ${name}`).toMatchObject([denied, denied, denied]);
      }
    }
    expect(running.observed.denials().read).toBeGreaterThan(0);
  });

  it("are asked for by subscriptions, Stats and reflection", async () => {
    const running = await start(
      {
        subscriber: [{ namespaces: ["orders"], may: ["subscribe"] }],
        observer: [{ namespaces: ["*"], may: ["observe"] }],
        half: [{ namespaces: ["orders*"], may: ["observe", "inspect"] }],
      },
      acceleration,
    );
    const client = clientOf(running);
    const streamOf = async (name: string, of: string) => {
      const stream = client.serverStream(CacheService.method.stream, { namespace: of }, as(name));
      const failed = new Promise<unknown>((resolve) =>
        stream.on("error", (error) => resolve(fromServiceError(Object.assign(error)))),
      );
      const first = await Promise.race([once(stream, "data").catch(() => failed), failed]);
      stream.cancel();
      return first;
    };
    const denied = { reason: "PERMISSION_DENIED" };
    expect(await streamOf("subscriber", "orders")).toBeInstanceOf(Array);
    expect(await streamOf("subscriber", "users")).toMatchObject(denied);
    expect(await streamOf("observer", "orders")).toMatchObject(denied);
    const subscription = (...of: string[]) =>
      ({ case: "subscription", value: { selectors: of.map((one) => ({ namespace: one })) } }) as const;
    const answers = await exchangeOf(client, "subscriber", [
      subscription("orders", "users"),
      subscription("orders"),
    ]);
    expect(answers.map(({ frame }) => frame.case)).toEqual(["error", "opened"]);
    expect(answers[0]?.frame.value).toMatchObject({ code: 7 });

    await client.unary(AdminService.method.stats, {}, as("observer"));
    await expect(client.unary(AdminService.method.stats, {}, as("half"))).rejects.toMatchObject(denied);
    const reflect = (name: string) =>
      new Promise<unknown>((resolve) => {
        const call = client.bidi(ServerReflection.method.serverReflectionInfo, as(name));
        call.on("data", () => resolve("answered"));
        call.on("error", (error) => resolve(fromServiceError(Object.assign(error))));
        call.write({
          $typeName: "grpc.reflection.v1.ServerReflectionRequest",
          host: "",
          messageRequest: { case: "listServices", value: "" },
        });
        call.end();
      });
    expect(await reflect("half")).toBe("answered");
    expect(await reflect("observer")).toMatchObject(denied);
    expect(await running.health()).toBe("SERVING");
  });

  it("are asked for by each method of AdminService, and a value that is shown is in the audit log", async () => {
    const running = await start(
      {
        inspector: [{ namespaces: ["orders"], may: ["inspect"] }],
        reader: [{ namespaces: ["orders"], may: ["inspect", "read", "write"] }],
        writer: [{ namespaces: ["*"], may: ["read", "write"] }],
        observer: [{ namespaces: ["*"], may: ["observe"] }],
        half: [{ namespaces: ["orders*"], may: PERMISSIONS }],
      },
      acceleration,
    );
    const client = clientOf(running);
    const { inspectEntry, describeCaller, stats, activity, listClients, describeServer, history } =
      AdminService.method;
    const denied = { reason: "PERMISSION_DENIED" };
    await client.unary(CacheService.method.set, { namespace: "orders", key: "k", value }, as("reader"));
    const inspect = (name: string, withValue: boolean, of = "orders") =>
      client.unary(inspectEntry, { namespace: of, key: "k", withValue }, as(name));
    expect((await inspect("inspector", false)).entry?.hit?.value).toHaveLength(0);
    expect(Buffer.from((await inspect("reader", true)).entry?.hit?.value ?? [])).toEqual(value);
    await expect(inspect("inspector", true)).rejects.toMatchObject(denied);
    await expect(inspect("inspector", false, "users")).rejects.toMatchObject(denied);
    await expect(inspect("writer", false)).rejects.toMatchObject(denied);
    await expect(inspect("writer", true)).rejects.toMatchObject(denied);
    expect(running.logged.filter((line) => line.includes('"shown"'))).toEqual([
      'a value was shown to an operator {"audit":"shown","principal":"token:reader","namespace":"orders","unlogged":0}',
    ]);

    const observing = {
      stats: (name: string) => client.unary(stats, {}, as(name)),
      activity: (name: string) => client.unary(activity, {}, as(name)),
      listClients: (name: string) => client.unary(listClients, {}, as(name)),
      describeServer: (name: string) => client.unary(describeServer, {}, as(name)),
      history: (name: string) => client.unary(history, {}, as(name)),
    };
    for (const [what, call] of Object.entries(observing)) {
      await expect(call("half"), what).rejects.toMatchObject(denied);
      const outcome = await call("observer").catch((error: unknown) => error);
      expect(outcome, what).not.toMatchObject(denied);
    }
    expect(await client.unary(describeCaller, {}, as("nobody"))).toMatchObject({ permissionsSomewhere: [] });
  });

  it("end reflection when the new policy does not permit it", async () => {
    const running = await start({ a: [{ namespaces: ["a"], may: ["inspect"] }] }, acceleration);
    const call = clientOf(running).bidi(ServerReflection.method.serverReflectionInfo, as("a"));
    const ended = new Promise<unknown>((resolve) =>
      call.on("error", (error) => resolve(fromServiceError(Object.assign(error)))),
    );
    const answered = once(call, "data");
    call.write({
      $typeName: "grpc.reflection.v1.ServerReflectionRequest",
      host: "",
      messageRequest: { case: "listServices", value: "" },
    });
    await answered;
    running.replace(policyOf({ a: [{ namespaces: ["a"], may: ["read"] }] }));
    expect(await ended).toMatchObject({ reason: "PERMISSION_DENIED" });
  });

  it("let a selector with namespace_is_prefix reach no namespace that may not be subscribed to", async () => {
    const running = await start(
      {
        one: [{ namespaces: ["a"], may: PERMISSIONS }],
        some: [
          { namespaces: ["a.*", "b"], may: PERMISSIONS },
          { namespaces: ["a*"], may: ["read"] },
        ],
        all: [{ namespaces: ["*"], may: ["subscribe"] }],
      },
      acceleration,
    );
    const client = clientOf(running);
    const outcome = async (name: string, ...prefixes: string[]): Promise<unknown> => {
      const selectors = prefixes.map((of) => ({ namespace: of, namespaceIsPrefix: true }));
      const [answer] = await exchangeOf(client, name, [{ case: "subscription", value: { selectors } }]);
      return answer?.frame.case === "error" ? fromStatus(answer.frame.value) : answer?.frame.case;
    };
    const denied = {
      reason: "PERMISSION_DENIED",
      detail: { permission: "subscribe", field: "namespace_is_prefix" },
    };
    // "a" is a name of the policy, and the beginning of names that are not.
    for (const prefix of ["a", "", "ab", "b"]) {
      expect(await outcome("one", prefix), `one: ${prefix}`).toMatchObject(denied);
    }
    for (const prefix of ["a", "", "b", "a-"])
      expect(await outcome("some", prefix), `some: ${prefix}`).toMatchObject(denied);
    expect(await outcome("some", "a.", "b")).toMatchObject(denied);
    expect(await outcome("some", "a.", "a.x")).toBe("opened");
    expect(await outcome("all", "", "a", "b.")).toBe("opened");
    expect(running.observed.denials().subscribe).toBe(9);
  });

  it("end a stream whose wide selector the new policy does not permit", async () => {
    const wide: Rights[] = [{ namespaces: ["tenant-*"], may: ["read", "subscribe"] }];
    const running = await start({ leaves: wide }, acceleration);
    const exchange = clientOf(running).bidi(CacheService.method.exchange, as("leaves"));
    const cut = new Promise<unknown>((resolve) =>
      exchange.on("error", (error) => resolve(fromServiceError(Object.assign(error)))),
    );
    const opened = once(exchange, "data");
    exchange.write(create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
    const selectors = [{ namespace: "tenant-", namespaceIsPrefix: true }];
    exchange.write(
      create(ExchangeRequestSchema, { id: 2n, frame: { case: "subscription", value: { selectors } } }),
    );
    await opened;
    exchange.on("data", () => {});
    running.replace(policyOf({ leaves: [{ namespaces: ["tenant-", "tenant-1*"], may: ["subscribe"] }] }));
    expect(await cut).toMatchObject({ reason: "PERMISSION_DENIED" });
  });

  it("are none for whom the policy does not name, and none of another's for anybody", async () => {
    const running = await start(
      { a: [{ namespaces: ["a", "a.*"], may: PERMISSIONS }], b: [{ namespaces: ["b"], may: PERMISSIONS }] },
      acceleration,
    );
    const client = clientOf(running);
    const get = (name: string, of: string) =>
      client.unary(CacheService.method.get, { namespace: of, key: "k" }, as(name));
    await get("a", "a");
    await get("a", "a.x");
    await get("b", "b");
    for (const [name, of] of [
      ["a", "b"],
      ["b", "a"],
      ["a", "ab"],
      ["a", "a-x"],
      ["nobody", "a"],
    ] as const) {
      await expect(get(name, of), `${name} in ${of}`).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    }
    // A batch's own namespace is that of its operations, and each may name another.
    const { results } = await client.unary(
      CacheService.method.batch,
      {
        namespace: "a",
        operations: [
          { operation: { case: "get", value: { key: "k" } } },
          { operation: { case: "get", value: { namespace: "b", key: "k" } } },
        ],
      },
      as("a"),
    );
    expect(results.map(({ result }) => result.case)).toEqual(["get", "error"]);
    expect(running.logged.filter((line) => line.includes("denied")).length).toBeLessThanOrEqual(3);
    expect(running.logged.join()).not.toMatch(/"key"|"k"/);
  });

  it("change when the file does: calls at once, streams too, and those that are still permitted go on", async () => {
    const both: Rights[] = [{ namespaces: ["orders"], may: ["read", "write", "subscribe"] }];
    const running = await start({ stays: both, leaves: both }, acceleration);
    const client = clientOf(running);
    const follow = (name: string) => {
      const stream = client.serverStream(CacheService.method.stream, { namespace: "orders" }, as(name));
      stream.on("data", () => {});
      return {
        stream,
        failed: new Promise<unknown>((resolve) =>
          stream.on("error", (error) => resolve(fromServiceError(Object.assign(error)))),
        ),
      };
    };
    const [stays, leaves] = [follow("stays"), follow("leaves")];
    await Promise.all([once(stays.stream, "data"), once(leaves.stream, "data")]);
    const exchange = client.bidi(CacheService.method.exchange, as("leaves"));
    const cut = new Promise<unknown>((resolve) =>
      exchange.on("error", (error) => resolve(fromServiceError(Object.assign(error)))),
    );
    exchange.on("data", () => {});
    exchange.write(create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
    exchange.write(
      create(ExchangeRequestSchema, {
        id: 2n,
        frame: { case: "subscription", value: { selectors: [{ namespace: "orders" }] } },
      }),
    );
    await once(exchange, "data");
    running.replace(policyOf({ stays: both, leaves: [{ namespaces: ["orders"], may: ["read"] }] }));
    const denied = { reason: "PERMISSION_DENIED" };
    expect(await leaves.failed).toMatchObject(denied);
    expect(await cut).toMatchObject(denied);
    const set = (name: string) =>
      client.unary(CacheService.method.set, { namespace: "orders", key: "k" }, as(name));
    await expect(set("leaves")).rejects.toMatchObject(denied);
    await client.unary(CacheService.method.get, { namespace: "orders", key: "k" }, as("leaves"));
    const news = once(stays.stream, "data");
    await set("stays");
    await news;
    stays.stream.cancel();
  });

  it("end what waits for a lease when they are taken away, in each kind of call, and let others wait on", async () => {
    const both: Rights[] = [{ namespaces: ["orders"], may: ["read", "write"] }];
    const open: Rights[] = [{ namespaces: ["open"], may: ["read"] }];
    const running = await undo.start(
      { owns: both, stays: both, leaves: [...both, ...open] },
      { acceleration, http: { listen: "127.0.0.1:0" } },
    );
    const client = clientOf(running);
    const lease = { namespace: "orders", key: "k", waitMs: 20_000 };
    const { outcome } = await client.unary(CacheService.method.lease, lease, as("owns"));
    const leased = vi.spyOn(running.server.store, "lease");
    const stays = client.unary(CacheService.method.lease, lease, as("stays"));
    const denied = byEachCall(client, "leaves", { case: "lease", value: lease });
    const byHttp = fetch(`http://${running.server.httpAddress}/meshcache.v1.CacheService/Lease`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer leaves" },
      body: JSON.stringify(lease),
    });
    const waiting = () => leased.mock.results.filter(({ value }) => value?.kind === "waiting").length;
    await eventually(() => expect(waiting()).toBe(5));
    running.replace(policyOf({ owns: both, stays: both, leaves: open }));
    const error = expect.objectContaining({ reason: "PERMISSION_DENIED" });
    expect(await denied).toEqual([error, error, error]);
    expect((await byHttp).status).toBe(403);
    if (outcome.case !== "granted") throw new Error("no lease");
    const back = { namespace: "orders", key: "k", releaseToken: outcome.value.token };
    await client.unary(CacheService.method.lease, back, as("owns"));
    expect((await stays).outcome.case).toBe("granted");
    expect(running.observed.denials()).toMatchObject({ read: 4, write: 4 });
  });

  it("are in the audit log: who cleared a namespace, and that the file was replaced, without keys", async () => {
    const all: Rights[] = [{ namespaces: ["orders"], may: PERMISSIONS }];
    const running = await start({ a: all, b: [] }, acceleration);
    const client = clientOf(running);
    const clear = { namespace: "orders", target: { case: "all", value: true } } as const;
    const keys = { namespace: "orders", target: { case: "keys" as const, value: { keys: ["canary"] } } };
    await client.unary(CacheService.method.invalidate, keys, as("a"));
    await client.unary(CacheService.method.invalidate, clear, as("a"));
    await client.unary(
      CacheService.method.batch,
      { namespace: "orders", operations: [{ operation: { case: "invalidate", value: clear } }] },
      as("a"),
    );
    await expect(client.unary(CacheService.method.invalidate, clear, as("b"))).rejects.toMatchObject({
      reason: "PERMISSION_DENIED",
    });
    running.replace(policyOf({ a: all }));
    await eventually(() => expect(running.logged.join()).toContain("the policy was replaced"));
    const cleared =
      'a namespace was cleared {"audit":"cleared","principal":"token:a","namespace":"orders","unlogged":0}';
    expect(running.logged.filter((line) => line.includes('"audit"'))).toEqual([
      cleared,
      cleared,
      'an operation was denied {"audit":"denied","principal":"token:b","permissions":"invalidate and admin","namespace":"orders","unlogged":0}',
      'the policy was replaced {"audit":"policy","principals":1}',
    ]);
    expect(running.logged.join()).not.toContain("canary");
  });

  it("stay as they are while the new file has faults", async () => {
    const running = await start({ a: [{ namespaces: ["a"], may: ["read"] }] }, acceleration);
    running.replace("principals: canary");
    await eventually(() => expect(running.observed.securityFilesRefused()).toBe(true));
    await clientOf(running).unary(CacheService.method.get, { namespace: "a", key: "k" }, as("a"));
    expect(running.logged.join()).not.toContain("canary");
  });
});

describe.each(["on", "off"] as const)(
  "a subscription to what is permitted only, with acceleration %s",
  (acceleration) => {
    it("gets events of the permitted namespaces, is told of the others, and sees nothing of them", async () => {
      const running = await start(
        {
          half: [{ namespaces: ["orders"], may: ["subscribe"] }],
          other: [{ namespaces: ["*"], may: PERMISSIONS }],
        },
        acceleration,
      );
      const client = clientOf(running);
      const selectors = ["secrets", "orders", "hidden"].map((namespace) => ({ namespace }));
      const call = client.bidi(CacheService.method.exchange, as("half"));
      undo.defer(() => call.cancel());
      const frames: ExchangeResponse["frame"][] = [];
      call.on("error", () => {});
      call.on("data", ({ frame }: ExchangeResponse) => void frames.push(frame));
      const send = (id: bigint, frame: MessageInitShape<typeof ExchangeRequestSchema>["frame"]) =>
        call.write(create(ExchangeRequestSchema, { id, frame: frame ?? { case: undefined } }));
      send(1n, { case: "open", value: {} });
      send(2n, { case: "subscription", value: { selectors, permittedOnly: true } });
      await eventually(() => expect(frames.filter((frame) => frame.case === "opened")).toHaveLength(2));
      expect(frames.findLast((frame) => frame.case === "opened")?.value).toMatchObject({
        deniedSelectors: [0, 2],
      });
      for (const namespace of ["secrets", "hidden", "orders"])
        await client.unary(CacheService.method.set, { namespace, key: `canary-${namespace}` }, as("other"));
      const events = () => frames.flatMap((frame) => (frame.case === "events" ? frame.value.events : []));
      await eventually(() => expect(events()).not.toEqual([]));
      expect(events().map(({ namespace }) => namespace)).toEqual(["orders"]);
      expect(running.observed.denials().subscribe).toBe(2);
      // A prefix is never cut down to what is permitted of it.
      send(3n, {
        case: "subscription",
        value: { selectors: [{ namespace: "", namespaceIsPrefix: true }], permittedOnly: true },
      });
      send(4n, { case: "subscription", value: { selectors } });
      await eventually(() => expect(frames.filter((frame) => frame.case === "error")).toHaveLength(2));
    });
  },
);

it("are those of one entry where a call has a certificate and a token", async () => {
  const authority = createAuthority();
  const own = authority.issue({ names: ["URI:spiffe://example.org/orders"] });
  const rights = (name: string) => ({ limits: {}, allow: [{ namespaces: [name], may: ["read"] as const }] });
  const ca = undo.folder.write("ca.crt", authority.cert);
  const running = await undo.start(
    {
      orders: { ...rights("orders"), match: ["token:orders", "spiffe://example.org/orders"] },
      users: rights("users"),
    },
    { security: { tls: { ...undo.folder.save("server", authority.issue()), clientCa: ca } } },
  );
  const secure = credentials.createSsl(
    Buffer.from(authority.cert),
    Buffer.from(own.key),
    Buffer.from(own.cert),
  );
  const client = createServiceClient(running.address, secure);
  undo.defer(() => client.close());
  const get = (options?: ReturnType<typeof as>) =>
    client.unary(CacheService.method.get, { namespace: "orders", key: "k" }, options);
  await get();
  await get(as("orders"));
  await expect(get(as("users"))).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
});

describe("the client", () => {
  it("turns off the near caches alone whose events it may not have, says so once, and goes on", async () => {
    const running = await start({
      reader: [
        { namespaces: ["orders", "public"], may: ["read", "write", "subscribe"] },
        { namespaces: ["secrets"], may: ["read", "write"] },
      ],
      other: [{ namespaces: ["*"], may: PERMISSIONS }],
    });
    const told: ClientEvent[] = [];
    const cacheOf = (name: string) =>
      undo.cacheOf(running, name, { onEvent: (event) => void told.push(event) });
    const cache = cacheOf("reader");
    const names = ["secrets", "orders", "public"];
    const open = (name: string) => cache.namespace(name, { codec: json<string>() });
    const read = async (name: string) => {
      const entry = await open(name).entry("k");
      return entry.kind === "hit" ? `${entry.value} ${entry.source}` : entry.kind;
    };
    for (const name of names) await open(name).set("k", "old");
    await cache.sync();
    for (const name of names) await open(name).get("k");
    expect(await Promise.all(names.map(read))).toEqual(["old remote", "old near", "old near"]);
    const other = cacheOf("other");
    for (const name of names) await other.namespace(name, { codec: json<string>() }).set("k", "new");
    await cache.sync();
    expect(await Promise.all(names.map(read))).toEqual(["new remote", "new remote", "new remote"]);

    await expect(async () => {
      for await (const _ of open("secrets").subscribe()) break;
    }).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    // Another namespace makes another subscription, which is answered in the same way.
    await open("later")
      .get("k")
      .catch(() => {});
    await cache.sync();
    expect(told.filter(({ kind }) => kind === "connectionLost" || kind === "unavailable")).toEqual([]);
    expect(told.filter(({ kind }) => kind === "nearCacheDenied")).toMatchObject([
      { namespace: "secrets", level: "error", count: 1 },
      { namespace: "later", level: "error", count: 1 },
    ]);
  });

  it("gets PERMISSION_DENIED for the operation alone, and its loads do not hide it", async () => {
    const running = await start({ reader: [{ namespaces: ["orders"], may: ["read", "subscribe"] }] });
    const cache = undo.cacheOf(running, "reader", { deadlineMs: 5_000 });
    const orders = cache.namespace("orders", { codec: json<string>() });
    expect(await orders.get("k")).toEqual({ kind: "miss" });
    await expect(orders.set("k", "v")).rejects.toMatchObject({
      reason: "PERMISSION_DENIED",
      detail: { permission: "write" },
    });
    expect(await orders.get("k", { maxStalenessMs: 0 })).toEqual({ kind: "miss" });
    await expect(orders.getOrLoad("k", () => "v")).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  });

  it("subscribes to each namespace by its name where the policy does not permit all that begin as they do", async () => {
    const names = Array.from({ length: 70 }, (_, at) => `tenant-${at}`);
    const running = await start({
      reader: [{ namespaces: names, may: ["read", "write", "subscribe"] }],
      other: [{ namespaces: ["*"], may: PERMISSIONS }],
    });
    const events: ClientEvent[] = [];
    const cacheOf = (name: string) =>
      undo.cacheOf(running, name, { onEvent: (event) => void events.push(event) });
    const cache = cacheOf("reader");
    const open = (name: string) => cache.namespace(name, { codec: json<string>() });
    const oldest = names.slice(0, 64);
    for (const name of names) await open(name).set("k", "old");
    await cache.sync();
    for (const name of names) await open(name).get("k");
    const source = async (name: string) => {
      const entry = await open(name).entry("k");
      return entry.kind === "hit" ? `${entry.value} ${entry.source}` : entry.kind;
    };
    // The namespaces beyond what one subscription takes are read from the server each time.
    for (const name of names)
      expect(await source(name)).toBe(`old ${oldest.includes(name) ? "near" : "remote"}`);
    expect(cache.stats().connection).toMatchObject({ selectors: 64, wideSelectors: 0, state: "ready" });
    const other = cacheOf("other");
    for (const name of names) await other.namespace(name, { codec: json<string>() }).set("k", "new");
    await cache.sync();
    for (const name of names) expect(await source(name)).toBe("new remote");
    expect(events.filter(({ kind }) => kind === "connectionLost" || kind === "gap")).toEqual([]);
    const leftOut = events.filter(({ kind }) => kind === "nearCachesLeftOut");
    expect(leftOut).toMatchObject([{ level: "warn", cause: expect.stringContaining("64") }]);
    expect(running.observed.denials().subscribe).toBeGreaterThan(0);
  });

  it("follows a policy that takes the events of a namespace away, and one that gives them back", async () => {
    const both = (may: readonly Permission[]): Rights[] => [
      { namespaces: ["orders"], may: ["read", "write", "subscribe"] },
      { namespaces: ["secrets"], may },
    ];
    const running = await start({ reader: both(["read", "write", "subscribe"]) });
    const told: ClientEvent[] = [];
    const cache = undo.cacheOf(running, "reader", { onEvent: (event) => void told.push(event) });
    const open = (name: string) => cache.namespace(name, { codec: json<string>() });
    const sourceOf = async (name: string) => {
      const entry = await open(name).entry("k");
      return entry.kind === "hit" ? entry.source : entry.kind;
    };
    const become = (secrets: string) =>
      eventually(async () => {
        expect([await sourceOf("orders"), await sourceOf("secrets")]).toEqual(["near", secrets]);
        // Served again and again from where it is served from now on.
        expect([await sourceOf("orders"), await sourceOf("secrets")]).toEqual(["near", secrets]);
      }, 100);
    for (const name of ["orders", "secrets"]) await open(name).set("k", "v");
    await become("near");
    running.replace(policyOf({ reader: both(["read", "write"]) }));
    await become("remote");
    expect(told.filter(({ kind }) => kind === "nearCacheDenied")).toMatchObject([{ namespace: "secrets" }]);
    expect(told.filter(({ kind }) => kind === "unavailable")).toEqual([]);
    // It is seen with the next subscription.
    running.replace(policyOf({ reader: both(["read", "write", "subscribe"]) }));
    await eventually(() =>
      expect(running.logged.filter((line) => line.includes("policy was replaced"))).toHaveLength(2),
    );
    open("more");
    await become("near");
  });

  it("reads without a near cache where it may not subscribe", async () => {
    const running = await start({ reader: [{ namespaces: ["orders"], may: ["read"] }] });
    const cache = undo.cacheOf(running, "reader", { deadlineMs: 2_000 });
    const orders = cache.namespace("orders", { codec: json<string>(), nearCache: false });
    expect(await orders.get("k")).toEqual({ kind: "miss" });
  });
});

describe("a policy", () => {
  const faultOf = (yaml: string): string => {
    try {
      readPolicy("policy", yaml);
      return "";
    } catch (error) {
      return String(error);
    }
  };

  it("is refused with all its faults and their lines, none of which repeats what it has", () => {
    const yaml = [
      "principals:",
      "  - name: canary canary",
      "    match: [token:a*b]",
      "    allow:",
      "      - namespaces: [Canary]",
      "        may: [reed]",
      "      - namespaces: []",
      "        may: []",
      "        deny: [read]",
      "  - match: [x]",
    ].join("\n");
    const fault = faultOf(yaml);
    for (const line of [2, 3, 5, 6, 7, 8, 10]) expect(fault).toContain(`line ${line} `);
    expect(fault).not.toMatch(/canary|reed/i);
    expect(faultOf("principals: [")).toContain("line 1");
    expect(faultOf("")).not.toBe("");
    expect(faultOf("a: &a [*a]")).toContain("line 1: has an alias");
    const twice =
      "principals:\n  - { name: a, match: [x], allow: [] }\n  - { name: a, match: [y], allow: [] }\n";
    expect(faultOf(twice)).toContain("line 3: has the name of line 2");
    const both = `${twice}  - { name: c, match: [z], allow: [], deny: [] }\n  - { name: a, match: [], allow: [] }\n`;
    expect(faultOf(both)).toMatch(
      /faults: line 3: has the name of line 2; line 4 [^;]*; line 5: has the name of line 2; line 5 [^;]*match[^;]*$/,
    );
  });

  it("needs identities", () => {
    const policy = undo.folder.write("policy.yaml", "principals: []\n");
    const make = () => createServer({ listen: "127.0.0.1:0", security: { policy } });
    expect(make).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ field: "security.policy" }) }),
    );
  });

  it("decides as a naive interpreter does, in 100,000 cases", () => {
    const seed = Number(process.env.SEED ?? 20_261_129);
    const rng = createSeededRng(seed);
    const pick = <Item>(items: readonly Item[]): Item => {
      const item = items[Math.floor(rng.fraction() * items.length)];
      if (item === undefined) throw new Error("nothing to pick");
      return item;
    };
    const some = <Item>(items: readonly Item[]) => items.filter(() => rng.fraction() < 0.4);
    const NAMES = ["token:a", "token:ab", "token:b", "spiffe://x/a", "spiffe://x/b"];
    const SPACES = ["a", "ab", "a.b", "b", "b.a", "c"];
    const patternsOf = (texts: readonly string[]) =>
      texts
        .flatMap((text) => [text, `${text.slice(0, 1 + Math.floor(rng.fraction() * text.length))}*`])
        .concat("*");
    const matches = (pattern: string, text: string) =>
      pattern === text ||
      (pattern.at(-1) === "*" && text.indexOf(pattern.slice(0, pattern.length - 1)) === 0);
    let cases = 0;
    for (let round = 0; cases < 100_000; round++) {
      const entries = Array.from({ length: 1 + Math.floor(rng.fraction() * 4) }, (_, at) => ({
        name: `e${at}`,
        match: [pick(patternsOf(NAMES)), ...some(patternsOf(NAMES)).slice(0, 1)],
        allow: Array.from({ length: Math.floor(rng.fraction() * 4) }, () => ({
          namespaces: [pick(patternsOf(SPACES)), ...some(patternsOf(SPACES)).slice(0, 1)],
          may: [pick(PERMISSIONS), ...some(PERMISSIONS)],
        })),
      }));
      const inForce = new PolicyInForce(
        readPolicy("policy", JSON.stringify({ principals: entries })),
        new AuditLog(),
      );
      for (const name of NAMES) {
        const access = inForce.accessOf(name);
        const entry = entries.find(({ match }) => match.some((one) => matches(one, name)));
        const isAllowed = (needed: number, covers: (pattern: string) => boolean) =>
          namesOf(needed).every((one) =>
            entry?.allow.some(({ namespaces, may }) => may.includes(one) && namespaces.some(covers)),
          );
        const judge = (what: string, isPermitted: boolean, expected: boolean) => {
          cases += 1;
          if (isPermitted !== expected)
            throw new Error(`seed ${seed}, round ${round}: ${name} ${what}: ${JSON.stringify(entries)}`);
        };
        for (const needed of Object.values(NEEDS)) {
          for (const prefix of ["", "a", "a.", "b", "ab", "c.x"]) {
            const expected = isAllowed(
              needed,
              (pattern) => pattern.endsWith("*") && prefix.startsWith(pattern.slice(0, -1)),
            );
            judge(
              `in all that begin with "${prefix}" needs ${needed}`,
              access.permitsPrefix(prefix, needed),
              expected,
            );
            // What is permitted of all is permitted of each.
            const within = [...SPACES, `${prefix}x`].filter((space) => space.startsWith(prefix));
            if (expected)
              for (const space of within)
                judge(`in ${space} needs ${needed}`, access.permits(space, needed), true);
          }
          judge(
            `everywhere needs ${needed}`,
            access.permitsEverywhere(needed),
            isAllowed(needed, (pattern) => pattern === "*"),
          );
          judge(
            `somewhere needs ${needed}`,
            access.permitsSomewhere(needed),
            isAllowed(needed, () => true),
          );
        }
        for (const space of [...SPACES, ...SPACES]) {
          for (const needed of Object.values(NEEDS)) {
            const expected = isAllowed(needed, (pattern) => matches(pattern, space));
            judge(`in ${space} needs ${needed}`, access.permits(space, needed), expected);
          }
        }
      }
    }
  });

  it("keeps masks of a bounded number of namespaces, and stays right beyond", () => {
    const yaml = policyOf({ a: [{ namespaces: ["n1*"], may: ["read"] }] });
    const access = new PolicyInForce(readPolicy("policy", yaml), new AuditLog()).accessOf("token:a");
    for (let at = 0; at < 5_000; at++)
      expect(access.permits(`n${at}`, permission.read)).toBe(`${at}`.startsWith("1"));
  });

  it("in the documents needs what the code needs", () => {
    const page = readFileSync("docs/security.md", "utf8");
    for (const [what, needed] of [
      ...OPERATIONS.map(([name, , mask]) => [name, mask] as const),
      ["Stream", NEEDS.subscribe],
      ...AdminService.methods
        .filter(({ name }) => !["InspectEntry", "DescribeCaller"].includes(name))
        .map(({ name }) => [name, NEEDS.stats] as const),
      ["DescribeCaller", 0],
      ["metrics of an admin port with client certificates", NEEDS.stats],
      ["InspectEntry", NEEDS.inspect],
      ["InspectEntry with the value", NEEDS.inspectValue],
      ["reflection", NEEDS.reflection],
    ] as const) {
      const row = page.split("\n").find(
        (line) =>
          line.startsWith("|") &&
          line
            .split("|")[1]
            ?.split(", ")
            .some((cell) => cell.trim() === what),
      );
      expect(row?.split("|")[2]?.trim(), what).toBe(
        namesOf(needed)
          .map((name) => `\`${name}\``)
          .join(", "),
      );
    }
  });
});

describe("meshcache policy", () => {
  const yaml =
    "principals:\n  - name: orders\n    match: [token:orders]\n    allow:\n      - namespaces: [orders]\n        may: [read, write]\n";

  it("explains a decision by its lines", async () => {
    const file = undo.folder.write("policy.yaml", yaml);
    const check = (who: string, may: string, where: string) =>
      runCommand(["policy", "check", "--policy", file, "--as", who, "--may", may, "--namespace", where]);
    expect(await check("token:orders", "write", "orders")).toMatchObject({
      exitCode: 0,
      stdout: "allowed: token:orders is orders (line 2), and line 5 allows write in orders\n",
    });
    expect(await check("token:orders", "admin", "orders")).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining("no line of it allows admin"),
    });
    expect(await check("token:x", "read", "orders")).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining("no principal"),
    });
    expect((await check("token:x", "fly", "orders")).exitCode).toBe(2);
  });

  it("tests a table of expectations", async () => {
    const policy = undo.folder.write("policy.yaml", yaml);
    const good = undo.folder.write(
      "good.yaml",
      "expect:\n  - { as: token:orders, namespace: orders, may: [read], mayNot: [admin] }\n",
    );
    expect(await runCommand(["policy", "test", good, "--policy", policy])).toMatchObject({
      exitCode: 0,
      stdout: "2 expectations, 0 not met\n",
    });
    const bad = undo.folder.write(
      "bad.yaml",
      "expect:\n  - { as: token:orders, namespace: users, may: [read] }\n",
    );
    const failed = await runCommand(["policy", "test", bad, "--policy", policy]);
    expect(failed).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining("line 2: token:orders may not read in users"),
    });
    expect((await runCommand(["policy", "test", policy, "--policy", policy])).exitCode).toBe(2);
    const idle = undo.folder.write("idle.yaml", "expect:\n  - { as: token:orders, namespace: orders }\n");
    expect(await runCommand(["policy", "test", idle, "--policy", policy])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("line 2 expect.0: needs may or mayNot"),
    });
    expect((await runCommand(["policy", "test", "/nowhere", "--policy", policy])).exitCode).toBe(7);
  });

  it("prints the rights of each principal", async () => {
    const file = undo.folder.write("policy.yaml", yaml);
    const { stdout } = await runCommand(["policy", "print", "--policy", file]);
    expect(stdout).toMatch(/orders +token:orders/);
    expect(stdout).toMatch(/ +orders +read, write/);
  });
});
