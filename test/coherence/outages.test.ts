/** Scenario 34, T4 over real sockets: a writer that is cut off from the server, and comes back. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { json, MeshCache, type Namespace, QueuedInvalidationError, type Target } from "../../src/index.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { withTestTls } from "../support/test-tls.ts";
import { until } from "../support/until.ts";

const NOBODY_LISTENS = "127.0.0.1:1";
const WAITS = { deadlineMs: 20_000 };

interface Client {
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
}

describe("T4: a writer that is cut off", () => {
  let running: RunningServer;
  let proxy: FaultProxy;
  let reader: Client;
  let writer: Client;

  const join = (address: string): Client => {
    const cache = new MeshCache({ address, ...withTestTls, backoffMaxMs: 50 });
    return { cache, users: cache.namespace("users", { codec: json<string>() }) };
  };

  async function cutOff(): Promise<void> {
    proxy.target = NOBODY_LISTENS;
    proxy.reset();
    await until(
      async () => writer.cache.stats().connection.state,
      (state) => state === "unavailable",
    );
  }

  beforeEach(async () => {
    running = await startServer();
    proxy = await startFaultProxy(running.address);
    reader = join(running.address);
    writer = join(proxy.address);
    await writer.users.set("k", "old row", { tags: ["tenant:7"] });
    await reader.cache.sync();
    await until(
      () => reader.users.entry("k"),
      ({ source }) => source === "near",
    );
  });

  afterEach(async () => {
    await reader.cache.close({ graceMs: 0 });
    await writer.cache.close({ graceMs: 0 });
    await proxy[Symbol.asyncDispose]();
    await running.stop();
  });

  it.each<[string, Target]>([
    ["a key", { keys: ["k"] }],
    ["a tag", { tags: ["tenant:7"] }],
    ["a prefix", { prefix: "k" }],
    ["the namespace", { all: true }],
  ])("scenario 34: invalidates %s as soon as it is back", async (_what, target) => {
    await cutOff();
    const invalidating = writer.users.invalidate(target, WAITS);
    expect(await reader.users.get("k")).toEqual({ kind: "hit", value: "old row" });
    proxy.target = running.address;
    await invalidating;
    expect((await writer.users.get("k", WAITS)).kind).toBe("miss");
    await reader.cache.sync();
    expect((await reader.users.get("k")).kind).toBe("miss");
  });

  it("scenario 34: invalidates what it has given up waiting for", async () => {
    await cutOff();
    const failed = writer.users.invalidate({ keys: ["k"] }, { deadlineMs: 1 });
    await expect(failed).rejects.toBeInstanceOf(QueuedInvalidationError);
    proxy.target = running.address;
    await until(
      () => reader.users.get("k"),
      ({ kind }) => kind === "miss",
    );
    expect(writer.cache.stats().invalidations).toMatchObject({ queued: 1, refused: 0 });
  });

  it("scenario 34: sends again what was under way when it was cut off", async () => {
    proxy.faults.blackhole = true;
    const invalidating = writer.users.invalidate({ keys: ["k"] }, WAITS);
    await new Promise((resolve) => setImmediate(resolve));
    proxy.reset();
    proxy.faults.blackhole = false;
    await invalidating;
    await reader.cache.sync();
    expect((await reader.users.get("k")).kind).toBe("miss");
  });
});
