/** One worker thread as the main thread sees it: what becomes of orders that several callers give, and of late ones. */
import { afterEach, describe, expect, it } from "vitest";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { openSecurity } from "../../../src/security/security.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { NO_FACTS } from "../../../src/server/services/admin-service.ts";
import { createBoundsMemory } from "../../../src/server/workers/shared-bounds.ts";
import { startWorkerThread, type WorkerThread } from "../../../src/server/workers/worker-thread.ts";
import { createStoreMemory } from "../../../src/store/engine/create-store.ts";

let started: WorkerThread | undefined;
afterEach(() => started?.terminate());

/** A thread whose entry answers every "listen" with how many of them it got, and nothing else. */
function start(): WorkerThread {
  const entry = `
    import { parentPort } from "node:worker_threads";
    let orders = 0;
    parentPort.on("message", ({ kind }) => {
      if (kind !== "listen") return;
      orders += 1;
      parentPort.postMessage({ kind: "listening", address: String(orders) });
    });
    parentPort.postMessage({ kind: "ready" });`;
  started = startWorkerThread({
    entry: new URL(`data:text/javascript,${encodeURIComponent(entry)}`),
    data: {
      thread: 0,
      store: createStoreMemory({ shards: 1 }, 1),
      peers: [undefined],
      bounds: createBoundsMemory(1),
      securityMemory: openSecurity({}, "127.0.0.1").memory,
      limits: resolveLimits(),
      transport: resolveTransportLimits(),
      acceleration: "on",
      security: {},
      snapshot: undefined,
      startedMs: 0,
      workers: 1,
      inquiryChannel: "a test of one worker",
      facts: NO_FACTS,
      extra: undefined,
    },
    transfer: [],
    heap: undefined,
    crashed: (crash) => {
      throw crash;
    },
  });
  return started;
}

describe("WorkerThread.order()", () => {
  const listen = { kind: "listen", listen: "127.0.0.1:0", http: undefined } as const;
  const answer = { kind: "listening", address: "1" };

  it("sends an order once, and gives all callers its answer", async () => {
    const thread = start();
    await thread.ready;
    expect(await Promise.all([thread.order(listen), thread.order(listen)])).toEqual([answer, answer]);
    expect(await thread.order(listen)).toEqual(answer);
  });

  it("rejects for all callers when the thread ends before it has answered", async () => {
    const thread = start();
    await thread.ready;
    const orders = [thread.order({ kind: "drain" }), thread.order({ kind: "drain" })];
    await thread.terminate();
    for (const order of [...orders, thread.order({ kind: "end" })]) {
      await expect(order).rejects.toThrow("told to end");
    }
  });
});
