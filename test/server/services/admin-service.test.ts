/** What AdminService tells an operator of calls, clients, entries, the server and the caller. */
import { once } from "node:events";
import { credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { AdminService, ClientOrder, EntryState, FenceKind } from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheService, InvalidateRequest_Mode } from "../../../gen/meshcache/v1/cache_pb.ts";
import { VERSION } from "../../../src/common/version.ts";
import { MeshCache } from "../../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../../src/rpc/client.ts";
import { type CacheServer, createServer, type ServerOptions } from "../../../src/server/index.ts";
import { createCallDurations } from "../../../src/telemetry/call-durations.ts";
import { methodAttributes, statusAttributes } from "../../../src/telemetry/conventions.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { until } from "../../support/until.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

async function start(options: ServerOptions = {}): Promise<{ server: CacheServer; client: ServiceClient }> {
  const server = createServer({ listen: "127.0.0.1:0", ...options });
  undo.push(() => server.close());
  const address = await server.start();
  const client = createServiceClient(address, credentials.createInsecure());
  undo.push(() => client.close());
  return { server, client };
}

const namespace = "n";
const { activity, describeCaller, describeServer, history, inspectEntry, listClients } = AdminService.method;
const { get, set, invalidate, stream } = CacheService.method;

describe("AdminService/Activity", () => {
  it("counts operations, and has one worker where there is one", async () => {
    const { client } = await start();
    await client.unary(get, { namespace, key: "k" });
    const operations = [
      { request: { case: "get" as const, value: { key: "a" } } },
      { request: { case: "get" as const, value: { key: "b" } } },
    ];
    const operation = operations.map(({ request }) => ({ operation: request }));
    await client.unary(CacheService.method.batch, { namespace, operations: operation });
    const { workers, workersSilent, calls } = await client.unary(activity, {});
    expect(workersSilent).toBe(0);
    // The Get, the Batch with its two operations, and this call.
    expect(workers).toMatchObject([{ worker: 0, connections: 1n, openCalls: 1n, operations: 5n }]);
    expect(calls).toEqual([]);
  });

  it("tells how long calls took, by method and status", async () => {
    const callDurations = createCallDurations();
    const attributes = { ...methodAttributes("meshcache.v1.CacheService/Get"), ...statusAttributes(0) };
    callDurations.series(attributes).record(0.0002);
    const { client } = await start({ telemetry: { ...createNoTelemetry(), callDurations } });
    const { calls, bucketBoundsS } = await client.unary(activity, {});
    expect(calls).toMatchObject([{ method: "meshcache.v1.CacheService/Get", status: "OK", count: 1n }]);
    expect(calls[0]?.bucketCounts).toHaveLength(bucketBoundsS.length + 1);
    expect(calls[0]?.bucketCounts[1]).toBe(1n);
  });
});

describe("AdminService/ListClients", () => {
  it("says what a client is, where it is, and what it subscribes to", async () => {
    const { server, client } = await start();
    const mesh = new MeshCache({ address: server.address, clientId: "orders-1" });
    undo.push(() => mesh.close());
    await mesh.namespace("users").set("k", "v", { ttlMs: 1_000 });
    const { clients, total, nextAfterId } = await until(
      () => client.unary(listClients, { order: ClientOrder.OPERATIONS }),
      (answer) => answer.clients.some(({ streams }) => streams.length > 0),
    );
    expect([total, nextAfterId]).toEqual([2n, 0n]);
    expect(clients.find(({ streams }) => streams.length > 0)).toMatchObject({
      worker: 0,
      address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      principal: "",
      operations: 1n,
      openCalls: 1,
      streams: [
        {
          method: "Exchange",
          clientId: "orders-1",
          library: "meshcache-node",
          libraryVersion: VERSION,
          selectors: [{ namespace: "users" }],
          selectorsTotal: 1,
        },
      ],
      streamsTotal: 1,
    });
  });

  it("forgets a client that has gone", async () => {
    const { server, client } = await start();
    const other = createServiceClient(server.address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    const events = other.serverStream(stream, { namespace, prefixes: ["users/"] });
    events.on("error", () => {});
    await once(events, "data");
    const { clients } = await client.unary(listClients, { order: ClientOrder.LAG });
    expect(clients.flatMap(({ streams }) => streams)).toMatchObject([
      { method: "Stream", selectors: [{ namespace, prefixes: ["users/"] }], lagEvents: 0n },
    ]);
    other.close();
    events.cancel();
    await until(
      async () => (await client.unary(listClients, {})).total,
      (total) => total === 1n,
    );
  });
});

describe("AdminService/InspectEntry", () => {
  it("shows an entry, and its value if that is asked for", async () => {
    const { client } = await start();
    const value = new TextEncoder().encode('{"a":1}');
    await client.unary(set, {
      namespace,
      key: "k",
      value,
      ttlMs: 60_000n,
      staleMs: 60_000n,
      tags: ["t"],
      contentType: "application/json",
    });
    const shown = await client.unary(inspectEntry, { namespace, key: "k" });
    expect(shown.entry).toMatchObject({
      state: EntryState.FRESH,
      valueBytes: 7n,
      hit: { value: new Uint8Array(0), tags: ["t"], contentType: "application/json" },
    });
    const whole = await client.unary(inspectEntry, { namespace, key: "k", withValue: true });
    expect(Buffer.from(whole.entry?.hit?.value ?? [])).toEqual(Buffer.from(value));
    const target = { case: "tags" as const, value: { tags: ["t"] } };
    await client.unary(invalidate, { namespace, target, mode: InvalidateRequest_Mode.SOFT });
    const staled = await client.unary(inspectEntry, { namespace, key: "k" });
    expect(staled.entry?.state).toBe(EntryState.STALED);
    // The sweep of the server drops fences when it likes: one that is still there is this one.
    for (const fence of staled.fences) {
      expect(fence).toMatchObject({ kind: FenceKind.TAG, name: "t", soft: true, covers: true });
    }
    expect((await client.unary(inspectEntry, { namespace, key: "other" })).entry).toBeUndefined();
  });

  it("refuses what is no key by name", async () => {
    const { client } = await start();
    await expect(client.unary(inspectEntry, { namespace, key: "" })).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      detail: { field: "key" },
    });
  });
});

describe("AdminService/DescribeServer", () => {
  it("has the facts of whoever started it", async () => {
    const settings = [{ name: "workers", value: "1", source: "default" }];
    const { client, server } = await start({ facts: { settings, traceUrl: "https://t/{traceId}" } });
    expect(await client.unary(describeServer, {})).toMatchObject({
      serverVersion: VERSION,
      epoch: server.store.epoch,
      workers: 1,
      settings,
      traceUrl: "https://t/{traceId}",
    });
  });
});

describe("AdminService/DescribeCaller", () => {
  it("says that whoever is not known may do everything", async () => {
    const { client } = await start();
    const caller = await client.unary(describeCaller, {});
    expect(caller).toMatchObject({ principal: "", readOnly: false });
    expect(caller.permissionsEverywhere).toEqual(caller.permissionsSomewhere);
    expect(caller.permissionsEverywhere).toContain("inspect");
  });
});

describe("AdminService/History", () => {
  it("says that there is none where no Prometheus is named", async () => {
    const { client } = await start();
    expect(await client.unary(describeServer, {})).toMatchObject({ hasHistory: false });
    await expect(client.unary(history, { windowS: 60 })).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  it("reads from the one that is named, and is refused for what is out of its bounds", async () => {
    const facts = { settings: [], traceUrl: "", history: { url: "http://127.0.0.1:1", labels: "" } };
    const { client } = await start({ facts });
    expect(await client.unary(describeServer, {})).toMatchObject({ hasHistory: true });
    await expect(client.unary(history, { windowS: 60 })).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    await expect(client.unary(history, { windowS: 1 })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
  });
});
