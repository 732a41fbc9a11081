import { expect, it } from "vitest";
import type { Pending, Settle } from "../../src/store/api/backend.ts";
import type { GetResult, SetCommand, SetResult } from "../../src/store/api/store.ts";
import { shardKeys } from "../../src/tier/library/keys.ts";
import type { TierStore } from "../../src/tier/tier-store.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { tierStoreOver } from "../support/tier-server.ts";

function answered<Result>(ask: (settle: Settle<Result>) => Pending): Promise<Result> {
  return new Promise((resolve, reject) => {
    ask((result) => (result instanceof Error ? reject(result) : resolve(result)));
  });
}

const setCommand = (key: string, ttlMs: number, staleMs = 0): SetCommand => ({
  namespace: "n",
  key,
  value: Buffer.from(key),
  ttlMs,
  staleMs,
  tags: ["t"],
  contentType: "text/plain",
  contentEncoding: "",
  absent: false,
  sourceVersion: 7n,
  condition: { kind: "always" },
  requestId: 0n,
  writer: { origin: "", traceparent: "" },
});

const read = (store: TierStore, key: string, allowStale = false, traceparent = ""): Promise<GetResult> =>
  answered((settle) =>
    store.get({ namespace: "n", key, ifVersion: 0, ifEpoch: 0n, allowStale }, settle, traceparent),
  );

/** A Get that is traced is a call of the library. */
const TRACED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describeEngines("reads without the library", (engine) => {
  const callsOf = async (command: string): Promise<number> => {
    const text = await engine.connection.text("INFO", "commandstats");
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(text)?.[1] ?? 0);
  };

  it("answer what the library answers: hits with all that was set, misses, stale entries, fenced ones", async () => {
    const store = tierStoreOver(engine.cluster.addresses);
    await store.start();
    for (const [key, ttlMs, staleMs] of [
      ["fresh", 60_000, 0],
      ["stale", 1, 60_000],
      ["gone", 1, 0],
      ["unlimited", 0, 0],
    ] as const) {
      await answered((settle) => store.set(setCommand(key, ttlMs, staleMs), settle));
    }
    const compare = async (): Promise<string[]> => {
      const kinds: string[] = [];
      for (const key of ["fresh", "stale", "gone", "unlimited", "missing"]) {
        for (const allowStale of [false, true]) {
          const found = await read(store, key, allowStale);
          const asked = await read(store, key, allowStale, TRACED);
          expect({ ...withoutTimes(found), key }).toEqual({ ...withoutTimes(asked), key });
          kinds.push(found.kind);
        }
      }
      return kinds;
    };
    const before = await callsOf("mget");
    expect(await compare()).toEqual([
      "hit",
      "hit",
      "miss",
      "hit",
      "miss",
      "miss",
      "hit",
      "hit",
      "miss",
      "miss",
    ]);
    expect((await callsOf("mget")) - before).toBe(10);
    const { writer } = setCommand("", 0);
    const target = { kind: "tags", tags: ["t"] } as const;
    await answered((settle) =>
      store.invalidate({ namespace: "n", target, soft: false, sourceVersion: 0n, writer }, settle),
    );
    expect(new Set(await compare())).toEqual(new Set(["miss"]));
    store.close();
  });

  it("see at once what another server has written", async () => {
    const [one, other] = [tierStoreOver(engine.cluster.addresses), tierStoreOver(engine.cluster.addresses)];
    await Promise.all([one.start(), other.start()]);
    for (let round = 0; round < 200; round++) {
      const stored = await answered<SetResult>((settle) => one.set(setCommand("shared", 60_000), settle));
      const found = await read(other, "shared");
      expect(found.kind === "hit" && found.entry.version).toBe(stored.kind === "stored" && stored.version);
    }
    one.close();
    other.close();
  });

  it("find nothing in a shard that has lost its head, however much is left of it", async () => {
    const store = tierStoreOver(engine.cluster.addresses);
    await store.start();
    const stored = await answered<SetResult>((settle) => store.set(setCommand("lost", 0), settle));
    expect((await read(store, "lost")).kind).toBe("hit");
    await engine.connection.call("DEL", shardKeys(stored.asOf.shard).head);
    expect((await read(store, "lost")).kind).toBe("miss");
    store.close();
  });
});

/** Two reads are not of the same moment. */
function withoutTimes(result: GetResult): object {
  if (result.kind === "miss") return result;
  return { ...result, entry: { ...result.entry, ttlRemainingMs: 0, staleRemainingMs: 0, ageMs: 0 } };
}
