/** The store keeps the values of a batch, and not the message that they came in. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { BatchRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage, encodeMessage } from "../../../src/codec/messages.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { runBatch } from "../../../src/server/operations/batch.ts";
import { createStore, type StoreOptions } from "../../../src/store/engine/create-store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";

const MIB = 1 << 20;
const BATCHES = 300;
const caller = { span: { traceparent: "", sampled: false, set() {}, end() {} }, clientId: "" };

/** The bytes of all array buffers that are still in use. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  if (typeof gc !== "function") throw new Error("no garbage collector to call");
  gc();
  gc();
  return process.memoryUsage().arrayBuffers;
}

/** A Set of 100 bytes in a message of 1.5 MiB. The other Sets are refused. */
function smallInLarge(key: string): Buffer {
  const ballast = { key: "absent", value: new Uint8Array(MIB / 2) };
  const operations = [
    { operation: { case: "set" as const, value: { key, value: new Uint8Array(100) } } },
    ...Array.from({ length: 3 }, () => ({
      operation: {
        case: "set" as const,
        value: { ...ballast, condition: { case: "ifPresent" as const, value: true } },
      },
    })),
  ];
  return encodeMessage(BatchRequestSchema, create(BatchRequestSchema, { namespace: "n", operations }));
}

describe("300 batches of 1.5 MiB of which 100 bytes each are stored", () => {
  it.each<StoreOptions["engine"]>(["lru", "offheap"])("leave only those in a store of %s", (engine) => {
    const store = createStore({ engine, budgetBytes: 16 * MIB });
    const deps = { store, limits: resolveLimits(), telemetry: createNoTelemetry(), boundary: loudBoundary };
    const before = heldBytes();
    for (let n = 0; n < BATCHES; n++) {
      const request = decodeMessage(BatchRequestSchema, smallInLarge(`k${n}`));
      runBatch(request, caller, deps, () => {});
    }
    expect(store.counters.sets).toBe(BATCHES);
    expect(heldBytes() - before).toBeLessThan(16 * MIB);
  });
});
