/** An engine without memory refuses what stores. What invalidates and frees is never refused, and reads go on. */
import { afterEach, expect, it } from "vitest";
import type { Pending, Settle } from "../../src/store/api/backend.ts";
import type {
  GetResult,
  InvalidateCommand,
  InvalidateResult,
  SetCommand,
  SetResult,
  Writer,
} from "../../src/store/api/store.ts";
import { shardKeys, TIER_SHARDS } from "../../src/tier/library/keys.ts";
import type { TierStore } from "../../src/tier/tier-store.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { tierStoreOver } from "../support/tier-server.ts";

const writer: Writer = { origin: "", traceparent: "" };
const FULL = { reason: "LIMIT_EXCEEDED" };

function answered<Result>(ask: (settle: Settle<Result>) => Pending): Promise<Result> {
  return new Promise((resolve, reject) => {
    ask((result) => (result instanceof Error ? reject(result) : resolve(result)));
  });
}

const setCommand = (key: string): SetCommand => ({
  namespace: "n",
  key,
  value: Buffer.from(key),
  ttlMs: 0,
  staleMs: 0,
  tags: key.startsWith("tagged") ? ["t"] : [],
  contentType: "",
  contentEncoding: "",
  absent: false,
  sourceVersion: 0n,
  condition: { kind: "always" },
  requestId: 0n,
  writer,
});

const set = (store: TierStore, key: string) =>
  answered<SetResult>((settle) => store.set(setCommand(key), settle));

const kindOf = async (store: TierStore, key: string): Promise<GetResult["kind"]> => {
  const command = { namespace: "n", key, ifVersion: 0, ifEpoch: 0n, allowStale: false };
  return (await answered<GetResult>((settle) => store.get(command, settle))).kind;
};

const invalidate = (store: TierStore, target: InvalidateCommand["target"]) =>
  answered<InvalidateResult>((settle) =>
    store.invalidate({ namespace: "n", target, soft: false, sourceVersion: 0n, writer }, settle),
  );

describeEngines("an engine without memory", (engine) => {
  const limitMemory = (bytes: number) => engine.connection.call("CONFIG", "SET", "maxmemory", bytes);

  afterEach(() => limitMemory(0));

  async function filled(): Promise<TierStore> {
    const store = tierStoreOver(engine.cluster.addresses);
    await store.start();
    for (const key of ["named", "tagged", "p/prefixed", "other", "last"]) await set(store, key);
    await limitMemory(1);
    await expect(set(store, "more")).rejects.toMatchObject(FULL);
    return store;
  }

  it("takes every invalidation, and answers reads", async () => {
    const store = await filled();
    expect(await kindOf(store, "named")).toBe("hit");
    expect((await invalidate(store, { kind: "keys", keys: ["named"] })).removed).toBe(1);
    expect(await kindOf(store, "named")).toBe("miss");
    await invalidate(store, { kind: "tags", tags: ["t"] });
    expect(await kindOf(store, "tagged")).toBe("miss");
    await invalidate(store, { kind: "prefix", prefix: "p/" });
    expect(await kindOf(store, "p/prefixed")).toBe("miss");
    expect(await kindOf(store, "other")).toBe("hit");
    await invalidate(store, { kind: "all" });
    expect(await kindOf(store, "other")).toBe("miss");
    store.close();
  });

  it("refuses a Set and takes the invalidation that leaves with it", async () => {
    const store = await filled();
    const refused = expect(set(store, "other")).rejects.toMatchObject(FULL);
    const { removed } = await invalidate(store, { kind: "keys", keys: ["other"] });
    await refused;
    expect(removed).toBe(1);
    expect(await kindOf(store, "other")).toBe("miss");
    store.close();
  });

  it("is swept", async () => {
    const store = await filled();
    await invalidate(store, { kind: "tags", tags: ["t"] });
    const before = Number(await engine.connection.call("DBSIZE"));
    await store.sweep();
    expect(Number(await engine.connection.call("DBSIZE"))).toBeLessThan(before);
    store.close();
  });

  it("lets its shards begin again", async () => {
    const store = await filled();
    for (let shard = 0; shard < TIER_SHARDS; shard++)
      await engine.connection.call("DEL", shardKeys(shard).head);
    expect(await kindOf(store, "last")).toBe("miss");
    store.close();
  });
});
