/** Which callers may join a load in flight, and what each of them gets. */
import { describe, expect, it } from "vitest";
import { Gap_Reason } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type ClientOptions, json, type LoadOptions, type NearCacheOptions } from "../../../src/index.ts";
import { createScriptedClient, granted, NAMESPACE, stored } from "../../support/scripted-client.ts";
import { EPOCH } from "../../support/scripted-server.ts";

interface User {
  name: string;
}

/** A client whose loader for "k" is running. */
async function loading(options: Partial<ClientOptions> = {}) {
  const client = createScriptedClient(options);
  const { cache, server, settle } = client;
  const users = cache.namespace(NAMESPACE, { codec: json<User>() });
  await settle();
  const { promise, resolve } = Promise.withResolvers<User>();
  const load = (loadOptions: LoadOptions = {}) =>
    users.getOrLoad("k", () => promise, { hardTimeoutMs: 50_000, ...loadOptions });
  const first = load();
  await settle();
  server.link.takeBatch().answer(granted(1n, { revision: 1 }));
  await settle();
  /** Whether one more caller asks the server instead of joining. */
  const asksAnew = async (loadOptions: LoadOptions = {}) => {
    load(loadOptions).catch(() => undefined);
    await settle();
    return server.link.batchesWaiting > 0;
  };
  return { ...client, first, load, finish: resolve, asksAnew };
}

describe("A load in flight", () => {
  it("is shared as long as no event can have been missed", async () => {
    const { clock, asksAnew } = await loading();
    clock.advance(20_000);
    expect(await asksAnew()).toBe(false);
  });

  it("is not shared beyond the lease when a change may have been missed", async () => {
    const { server, clock, asksAnew } = await loading();
    server.link.send({
      case: "gap",
      value: { reason: Gap_Reason.OVERRUN, epoch: EPOCH, cursor: server.link.cursor() },
    });
    clock.advance(5_000);
    expect(await asksAnew()).toBe(false);
    clock.advance(1);
    expect(await asksAnew()).toBe(true);
  });

  it("is not shared beyond the lease in a namespace without a subscription", async () => {
    const { clock, asksAnew } = await loading({ nearCache: false });
    clock.advance(5_000);
    expect(await asksAnew()).toBe(false);
    clock.advance(1);
    expect(await asksAnew()).toBe(true);
  });

  it("is not shared with a caller whose `maxStalenessMs` is shorter than its age", async () => {
    const { clock, asksAnew } = await loading();
    clock.advance(100);
    expect(await asksAnew({ maxStalenessMs: 100 })).toBe(false);
    expect(await asksAnew({ maxStalenessMs: 99 })).toBe(true);
  });

  it("is not begun for a caller whose signal is already aborted", async () => {
    const { cache, server, settle } = createScriptedClient();
    const users = cache.namespace(NAMESPACE, { codec: json<User>() });
    const aborted = { signal: AbortSignal.abort() };
    const load = users.getOrLoad("k", () => ({ name: "Ann" }), aborted);
    await expect(load).rejects.toMatchObject({ reason: "CANCELLED" });
    await settle();
    expect(server.link.batchesWaiting).toBe(0);
  });

  it.each<[string, false | NearCacheOptions]>([
    ["frozen", { values: "frozen" }],
    ["cloned", { values: "cloned" }],
    ["not near", false],
  ])("gives no two callers a value that one of them can write to: %s", async (_values, nearCache) => {
    const { server, settle, first, load, finish } = await loading({ nearCache });
    const others = [load(), load()];
    const loaded: User = { name: "Ann" };
    finish(loaded);
    await settle();
    server.link.takeBatch().answer(stored({ revision: 2 }));
    const users = await Promise.all([first, ...others]);
    expect(users).toEqual([loaded, loaded, loaded]);
    // The first caller gets the object of the loader, unchanged.
    expect(Object.isFrozen(loaded)).toBe(false);
    for (const user of users) {
      const shared = users.filter((one) => one === user).length > 1;
      expect(shared && !Object.isFrozen(user)).toBe(false);
    }
    expect(users[1]).not.toBe(loaded);
  });
});
