/** A store that several threads work at the same time: nothing is torn, stale, lost or left waiting. */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { expect, it, onTestFinished } from "vitest";
import { attachStore, createStoreMemory } from "../../../src/store/engine/create-store.ts";
import { cutShardState } from "../../../src/store/engine/shard-memory.ts";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import { createKeyHash } from "../../../src/store/hashing/shard-hash.ts";
import { NamespaceTable } from "../../../src/store/namespaces/namespace-table.ts";
import { createOffheapTable } from "../../../src/store/tables/offheap/offheap-table.ts";
import { checkInvariants } from "../../support/offheap-invariants.ts";
import { KEYS, type StoreThreadData, type StoreThreadReport } from "../../support/store-thread.ts";
import { TestNamespaces } from "../../support/test-namespaces.ts";

const threads = 3;
const operations = 12_000;

function connectAll(): (MessagePort | undefined)[][] {
  const ports = Array.from({ length: threads }, () => new Array<MessagePort | undefined>(threads + 1));
  for (let one = 0; one < threads; one++) {
    for (let other = one + 1; other < threads; other++) {
      const { port1, port2 } = new MessageChannel();
      const [ofOne, ofOther] = [ports[one], ports[other]];
      if (ofOne !== undefined) ofOne[other] = port1;
      if (ofOther !== undefined) ofOther[one] = port2;
    }
  }
  return ports;
}

/** The next report of each, or the failure of one. */
function reportsOf(workers: readonly Worker[]): Promise<StoreThreadReport[]> {
  return Promise.all(
    workers.map(
      (worker) =>
        new Promise<StoreThreadReport>((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
}

it.each([1, 2])("keeps its promises to three threads at once, with seed %i", async (seed) => {
  const count = threads + 1;
  const memory = createStoreMemory({ shards: 2, budgetBytes: 2 * 65_536, logMaxEvents: 1_000_000 }, count);
  const store = attachStore(memory, { threads: { self: threads, count, send() {} } });
  const beginning = store.subscribe([], new Uint8Array(), () => {});
  const cursor = beginning.cursor();
  beginning.close();
  const known = new SharedArrayBuffer(KEYS * Int32Array.BYTES_PER_ELEMENT);
  const workers = connectAll().map((ports, self) => {
    const data: StoreThreadData = { memory, self, count, ports, seed, cursor, operations, known };
    return new Worker(new URL("../../support/store-thread.ts", import.meta.url), {
      workerData: data,
      transferList: ports.filter((port) => port !== undefined),
    });
  });
  // Also after the timeout of the test: none is left to the end of the process.
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
  const done = await reportsOf(workers);
  const stats = store.shards();
  const caughtUp = reportsOf(workers);
  for (const worker of workers) worker.postMessage({ revisions: stats.map((shard) => shard.revision) });
  const read = await caughtUp;

  const sets = done.reduce((sum, report) => sum + (report.kind === "done" ? report.sets : 0), 0);
  expect(store.counters.sets).toBe(sets);
  const logged = stats.reduce((sum, shard) => sum + shard.logEvents, 0);
  expect(read).toEqual(Array.from(workers, () => ({ kind: "caughtUp", events: logged, gaps: 0 })));
  const { hits, misses, evictedCapacity, leasesGranted, leasesShared } = store.counters;
  for (const happened of [hits, misses, evictedCapacity, leasesGranted, leasesShared]) {
    expect(happened).toBeGreaterThan(0);
  }
  const hashOf = createKeyHash(memory.seeds.hash);
  for (const { table, state } of memory.shards) {
    const { budgetBytes, namespacesMax } = memory.limits;
    const region = cutShardState(state, memory.limits).namespaces;
    const parts = { fingerprintOf: createFingerprint(memory.seeds.names), shared() {} };
    const names = new NamespaceTable(region, namespacesMax, parts);
    const namespaces = Object.assign(new TestNamespaces(), { nameOf: (one: number) => names.nameOf(one) });
    checkInvariants(createOffheapTable({ budgetBytes, namespaces, evicted() {} }, table), hashOf, namespaces);
  }
});
