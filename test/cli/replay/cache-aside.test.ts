/** Checks the check of a replay: it must find the fault of each broken cache. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  NotStored_Reason,
  type OperationResult,
  OperationResultSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { type ReplayOperation, type ReplayTarget, replayTrace } from "../../../src/cli/replay/cache-aside.ts";
import { createOrigin } from "../../../src/cli/replay/origin.ts";
import { createPayloads } from "../../../src/cli/replay/payload.ts";
import { createTally, type ReplayCounts } from "../../../src/cli/replay/tally.ts";
import { createTrace } from "../../../src/cli/replay/trace.ts";
import { createSeededRng } from "../../../src/common/random.ts";

type ResultInit = NonNullable<MessageInitShape<typeof OperationResultSchema>["result"]>;
type Flaw = "none" | "forgetsKeys" | "forgetsTags" | "keepsLeases" | "mixesKeys" | "cutsValues";

/** A small coherent cache, and one flaw of it. Each answer takes a random number of turns. */
function createTarget(flaw: Flaw, seed: number): ReplayTarget {
  const rng = createSeededRng(seed);
  const entries = new Map<string, { value: Uint8Array; tags: readonly string[] }>();
  const leases = new Map<string, bigint>();
  const slow = async () => {
    for (let turns = Math.floor(rng.fraction() * 6); turns > 0; turns -= 1) await new Promise(setImmediate);
  };
  const hit = (value: Uint8Array) => ({ case: "hit", value: { value } }) as const;
  const result = (init: ResultInit) => create(OperationResultSchema, { result: init });

  const runOne = ({ operation }: ReplayOperation): OperationResult => {
    switch (operation?.case) {
      case "get": {
        const entry = entries.get(operation.value.key ?? "");
        if (entry) return result({ case: "get", value: { outcome: hit(entry.value) } });
        return result({ case: "get", value: { outcome: { case: "miss", value: {} } } });
      }
      case "lease": {
        const key = operation.value.key ?? "";
        const entry = entries.get(key);
        const token = rng.uint64();
        const held = leases.has(key);
        if (!entry && !held) leases.set(key, token);
        if (entry) return result({ case: "lease", value: { outcome: hit(entry.value) } });
        if (held) return result({ case: "lease", value: { outcome: { case: "held", value: {} } } });
        return result({ case: "lease", value: { outcome: { case: "granted", value: { token } } } });
      }
      case "set": {
        const { key = "", value = new Uint8Array(), tags = [], condition } = operation.value;
        const stored = condition?.case === "leaseToken" && leases.get(key) === condition.value;
        if (condition?.case === "leaseToken" && stored) leases.delete(key);
        const kept = flaw === "cutsValues" ? value.slice(0, -1) : value;
        if (stored) entries.set(flaw === "mixesKeys" ? key.slice(0, -1) : key, { value: kept, tags });
        if (stored) return result({ case: "set", value: { outcome: { case: "stored", value: {} } } });
        const reason = NotStored_Reason.LEASE_LOST;
        return result({ case: "set", value: { outcome: { case: "notStored", value: { reason } } } });
      }
      case "invalidate": {
        const target = operation.value.target;
        if (target?.case === "keys" && flaw !== "forgetsKeys") {
          for (const key of target.value.keys ?? []) entries.delete(key);
        }
        if (target?.case === "tags" && flaw !== "forgetsTags") {
          for (const [key, { tags }] of entries)
            if (tags.some((tag) => target.value.tags?.includes(tag))) entries.delete(key);
        }
        if (flaw !== "keepsLeases") leases.clear();
        return result({ case: "invalidate", value: {} });
      }
      default:
        throw new TypeError("no such operation");
    }
  };

  return {
    async run(operations) {
      await slow();
      const results = operations.map(runOne);
      await slow();
      return results;
    },
  };
}

async function replay(flaw: Flaw, { seed = 1, batch = 1 } = {}): Promise<Readonly<ReplayCounts>> {
  const rng = createSeededRng(seed);
  const ids = Buffer.alloc(4 * 4_000);
  for (let index = 0; index < ids.length; index += 4)
    ids.writeInt32BE(Math.floor(rng.fraction() ** 3 * 300), index);
  const trace = createTrace("generated", "web", ids);
  const tally = createTally();
  await replayTrace(
    { trace, accesses: trace.accesses, concurrency: 16, batch, writes: 0.1, tagWrites: 0.3 },
    {
      target: createTarget(flaw, seed),
      origin: createOrigin(),
      payloads: createPayloads(7n, seed, 64),
      rng,
      tally,
      interrupted: new AbortController().signal,
    },
  );
  return tally.counts;
}

describe("replayTrace()", () => {
  it.each([1, 8])("finds nothing wrong with a coherent cache, in batches of %d", async (batch) => {
    for (const seed of [1, 2, 3]) {
      const counts = await replay("none", { seed, batch });
      expect({ seed, stale: counts.stale, wrong: counts.wrong }).toEqual({ seed, stale: 0, wrong: 0 });
      expect(counts.hits + counts.misses).toBe(counts.reads);
      expect(counts.reads + counts.keyWrites + counts.tagWrites).toBe(4_000);
      expect(counts.hits).toBeGreaterThan(0);
      expect(counts.lost).toBeGreaterThan(0);
    }
  });

  it.each(["forgetsKeys", "forgetsTags", "keepsLeases"] as const)(
    "counts stale reads of a cache that %s",
    async (flaw) => {
      expect((await replay(flaw)).stale).toBeGreaterThan(0);
    },
  );

  it.each(["mixesKeys", "cutsValues"] as const)("counts wrong reads of a cache that %s", async (flaw) => {
    expect((await replay(flaw)).wrong).toBeGreaterThan(0);
  });

  it("makes the same accesses writes for the same seed", async () => {
    const writesOf = ({ keyWrites, tagWrites }: ReplayCounts) => [keyWrites, tagWrites];
    expect(writesOf(await replay("none", { batch: 1 }))).toEqual(
      writesOf(await replay("none", { batch: 32 })),
    );
    expect(writesOf(await replay("none", { seed: 1 }))).not.toEqual(
      writesOf(await replay("none", { seed: 2 })),
    );
  });
});
