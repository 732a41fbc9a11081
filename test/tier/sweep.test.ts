import { expect, it } from "vitest";
import type { Pending, Settle } from "../../src/store/api/backend.ts";
import type { GetResult, SetResult, Writer } from "../../src/store/api/store.ts";
import { readHead } from "../../src/tier/library/head.ts";
import { shardKeys, TIER_SHARDS } from "../../src/tier/library/keys.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { tierStoreOver } from "../support/tier-server.ts";

function answered<Result>(ask: (settle: Settle<Result>) => Pending): Promise<Result> {
  return new Promise((resolve, reject) => {
    ask((result) => (result instanceof Error ? reject(result) : resolve(result)));
  });
}

const writer: Writer = { origin: "", traceparent: "" };
const FENCED = 600;

describeEngines("a sweep of the tier", (engine) => {
  it("removes what fences cover, leaves the rest, and then no read has to look at a fence", async () => {
    const store = tierStoreOver(engine.cluster.addresses);
    await store.start();
    const set = (key: string, tags: readonly string[]) =>
      answered<SetResult>((settle) =>
        store.set(
          {
            namespace: "n",
            key,
            value: Buffer.from("v"),
            ttlMs: 0,
            staleMs: 0,
            tags,
            contentType: "",
            contentEncoding: "",
            absent: false,
            sourceVersion: 0n,
            condition: { kind: "always" },
            requestId: 0n,
            writer,
          },
          settle,
        ),
      );
    const get = (key: string) =>
      answered<GetResult>((settle) =>
        store.get({ namespace: "n", key, ifVersion: 0, ifEpoch: 0n, allowStale: false }, settle),
      );
    const keys = Array.from({ length: FENCED }, (_, index) => `tagged-${index}`);
    await Promise.all([...keys.map((key) => set(key, ["t"])), set("kept", ["other"]), set("p/1", [])]);
    const invalidate = (target: { kind: "tags"; tags: string[] } | { kind: "prefix"; prefix: string }) =>
      answered((settle) =>
        store.invalidate({ namespace: "n", target, soft: false, sourceVersion: 0n, writer }, settle),
      );
    await invalidate({ kind: "tags", tags: ["t"] });
    await invalidate({ kind: "prefix", prefix: "p/" });
    await set("tagged-0", ["t"]);
    const before = Number(await engine.connection.call("DBSIZE"));
    await store.sweep();
    expect(before - Number(await engine.connection.call("DBSIZE"))).toBeGreaterThanOrEqual(FENCED);
    for (let shard = 0; shard < TIER_SHARDS; shard++) {
      const bytes = await engine.connection.call("GET", shardKeys(shard).head);
      expect(Buffer.isBuffer(bytes) && readHead(bytes)).toMatchObject({ newestTag: 0, newestPrefix: 0 });
    }
    expect((await get("kept")).kind).toBe("hit");
    expect((await get("tagged-0")).kind).toBe("hit");
    expect((await get("tagged-1")).kind).toBe("miss");
    expect((await get("p/1")).kind).toBe("miss");
    store.close();
  });
});
