/** Batches whose operations do not fit into one turn of the event loop. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  type BatchResponse,
  type OperationSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import type { ConnectionMemory } from "../../../src/server/limits/connection-memory.ts";
import { MemoryAccount } from "../../../src/server/limits/memory-account.ts";
import { createHeldTotal } from "../../../src/server/limits/quotas.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { Turns } from "../../../src/server/limits/turns.ts";
import { OPERATION_WORK_BYTES } from "../../../src/server/limits/work.ts";
import { runBatch } from "../../../src/server/operations/batch.ts";
import { createBatchChunks } from "../../../src/server/operations/batch-chunks.ts";
import type { Store } from "../../../src/store/api/store.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

type Operation = MessageInitShape<typeof OperationSchema>;

const MIB = 2 ** 20;
const OPERATIONS_PER_TURN = 10;
const get = (key: string): Operation => ({ operation: { case: "get", value: { namespace: "n", key } } });
const set = (key: string): Operation => ({
  operation: { case: "set", value: { namespace: "n", key, value: new Uint8Array(8) } },
});
const batchOf = (operations: Operation[]) => create(BatchRequestSchema, { operations });

let next: (() => void)[];
let memory: ConnectionMemory;
let store: Store;
const passTurn = () => {
  for (const run of next.splice(0)) run();
};
const deps = () => ({
  store,
  limits: resolveLimits(),
  telemetry: createNoTelemetry(),
  boundary: loudBoundary,
});
const caller = () => ({
  span: { traceparent: "", sampled: false, set() {}, end() {} },
  clientId: "",
  memory,
});

beforeEach(() => {
  next = [];
  const clock = new ManualClock();
  const work = OPERATIONS_PER_TURN * OPERATION_WORK_BYTES;
  const turns = new Turns(work, clock, loudBoundary, (run) => next.push(run));
  memory = new MemoryAccount(resolveTransportLimits(), createHeldTotal(), loudBoundary, turns).of(undefined);
  store = createStore({ clock, rng: createSeededRng(1), shards: 2, engine: "offheap" });
});

describe("A4: a Batch of many operations", () => {
  it("runs them in their order, some in each turn, and others run in between", () => {
    let response: BatchResponse | undefined;
    const keys = Array.from({ length: 35 }, (_, index) => `k${index}`);
    const pending = runBatch(batchOf(keys.map(set)), caller(), deps(), (whole) => {
      response = whole;
    });
    expect(pending).toBeDefined();
    const counts = [store.counters.sets];
    let served = 0;
    while (response === undefined && counts.length < 100) {
      memory.turns.wait({}, () => {
        served += 1;
      });
      passTurn();
      counts.push(store.counters.sets);
    }
    expect(counts).toEqual([10, 20, 30, 35]);
    expect(served).toBe(3);
    const stamps = response?.results.map(({ result }) => result.case);
    expect(stamps).toEqual(keys.map(() => "set"));
    expect(memory.heldBytes).toBe(0);
  });

  it("runs no more of them once it is cancelled, and holds nothing", () => {
    const pending = runBatch(batchOf(Array.from({ length: 30 }, () => set("k"))), caller(), deps(), () => {
      throw new Error("a cancelled batch was answered");
    });
    pending?.cancel();
    for (let turn = 0; turn < 10; turn++) passTurn();
    expect(store.counters.sets).toBe(OPERATIONS_PER_TURN);
    expect(memory.heldBytes).toBe(0);
  });

  it("counts the values that it reads as work", () => {
    const bytes = OPERATIONS_PER_TURN * OPERATION_WORK_BYTES;
    const value = new Uint8Array(bytes);
    const large: Operation = { operation: { case: "set", value: { namespace: "n", key: "large", value } } };
    runBatch(batchOf([large]), caller(), deps(), () => {});
    passTurn();
    let isDone = false;
    const before = store.counters.hits;
    runBatch(batchOf(Array.from({ length: 3 }, () => get("large"))), caller(), deps(), () => {
      isDone = true;
    });
    const hits = [store.counters.hits - before];
    while (!isDone && hits.length < 10) {
      passTurn();
      hits.push(store.counters.hits - before);
    }
    expect(hits).toEqual([1, 2, 3]);
  });

  it("is not cut into turns when it asks for little", () => {
    let results = 0;
    const pending = runBatch(batchOf([set("a"), get("a")]), caller(), deps(), (whole) => {
      results = whole.results.length;
    });
    expect([pending, results]).toEqual([undefined, 2]);
  });

  it("on an Exchange is cut into frames by the turns", () => {
    const chunks = createBatchChunks(
      batchOf(Array.from({ length: 25 }, () => set("k"))),
      caller(),
      deps(),
      MIB,
    );
    const sizes: number[] = [];
    while (!chunks.done()) {
      sizes.push(chunks.next().results.length);
      passTurn();
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(OPERATIONS_PER_TURN);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(25);
  });
});

describe("A4: values that their message has no room for", () => {
  const large = () =>
    runBatch(
      batchOf([
        { operation: { case: "set", value: { namespace: "n", key: "large", value: new Uint8Array(MIB) } } },
      ]),
      caller(),
      deps(),
      () => {},
    );
  const ask: readonly (readonly [string, Operation])[] = [
    ["Get", get("large")],
    ["Lease", { operation: { case: "lease", value: { namespace: "n", key: "large" } } }],
  ];

  it.each(ask)("are not copied for a %s", (_, operation) => {
    large();
    let copiedBytes = 0;
    const counted: Store = Object.create(store, {
      get: {
        value: (...args: Parameters<Store["get"]>) => {
          const result = store.get(...args);
          if (result.kind === "hit") copiedBytes += result.entry.value.length;
          return result;
        },
      },
      lease: {
        value: (...args: Parameters<Store["lease"]>) => {
          const result = store.lease(...args);
          if (result.kind === "hit") copiedBytes += result.entry.value.length;
          return result;
        },
      },
    });
    let response: BatchResponse | undefined;
    const request = batchOf(Array.from({ length: 100 }, () => operation));
    runBatch(request, caller(), { ...deps(), store: counted }, (whole) => {
      response = whole;
    });
    for (let turn = 0; turn < 200; turn++) passTurn();
    const errors = response?.results.filter(({ result }) => result.case === "error") ?? [];
    expect([copiedBytes, errors.length]).toEqual([3 * MIB, 97]);
    expect(errors[0]?.result.value).toMatchObject({ message: "send_max_bytes is limited to 4194304" });
  });
});

describe("A3: batches that wait for one lease", () => {
  it("are answered some in each turn, whoever ends the wait", () => {
    const { store: filled } = deps();
    filled.lease({ namespace: "n", key: "k", waitMs: 0, leaseMs: 1_000, holder: 0 }, () => {});
    const wait: Operation = {
      operation: { case: "lease", value: { namespace: "n", key: "k", waitMs: 500 } },
    };
    let answered = 0;
    const run = () =>
      runBatch(batchOf([wait]), caller(), deps(), () => {
        answered += 1;
      });
    const pending = Array.from({ length: 35 }, () => {
      const batch = run();
      passTurn();
      return batch;
    });
    expect(pending).not.toContain(undefined);
    expect(answered).toBe(0);
    runBatch(batchOf([set("k")]), caller(), deps(), () => {});
    const counts = [answered];
    pending.at(-1)?.cancel();
    while (next.length > 0) {
      passTurn();
      counts.push(answered);
    }
    const perTurn = counts.map((count, turn) => count - (counts[turn - 1] ?? 0));
    expect(answered).toBe(34);
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(OPERATIONS_PER_TURN);
    expect(memory.heldBytes).toBe(0);
  });
});
