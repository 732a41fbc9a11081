/** The process of a store without a network: fills it, churns it, and reports its size and its pauses. */
import {
  type EntryStore,
  type EntryStoreCapacity,
  type EntryStoreName,
  openEntryStore,
} from "../entry-store.ts";
import { createDraws, createKeys, createValues, keyAt } from "../keyspace.ts";
import { watchGc } from "../process/gc-pauses.ts";
import { residentBytes } from "../process/resident-memory.ts";
import { answerCalls } from "../process/worker.ts";

export interface ChurnWindow {
  readonly operationsPerSecond: number;
  readonly longestGcPauseMs: number;
  readonly entries: number;
}

/** Operations in one turn of the event loop, as for a burst of requests. */
const BURST = 500;

let store: EntryStore | undefined;
let churnKeys: readonly string[] = [];

const handlers = {
  async open(name: EntryStoreName, capacity: EntryStoreCapacity): Promise<void> {
    store = await openEntryStore(name, capacity);
  },

  /** Sets `count` entries. Returns the resident bytes of the process before and after. */
  async fill(
    count: number,
    valueBytes: number,
    seed: number,
  ): Promise<{ before: number; after: number; entries: number }> {
    const opened = current();
    const makeValue = createValues(valueBytes, seed);
    collect();
    const before = residentBytes(process.pid);
    for (let index = 0; index < count; index++) {
      opened.set(keyAt(index), makeValue(index));
      if (index % BURST === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    collect();
    await new Promise((resolve) => setTimeout(resolve, 100));
    collect();
    return { before, after: residentBytes(process.pid), entries: opened.entryCount() };
  },

  /** Half reads and half Sets, uniform over 1.5 times as many keys as fit. Every Set of a new key evicts. */
  async churn(entries: number, valueBytes: number, durationMs: number, seed: number): Promise<ChurnWindow> {
    const opened = current();
    const keyCount = Math.floor(entries * 1.5);
    if (churnKeys.length !== keyCount) churnKeys = createKeys(keyCount);
    const draw = createDraws("uniform", keyCount, seed);
    const makeValue = createValues(valueBytes, seed);
    const endWatch = watchGc();
    const startedMs = performance.now();
    let operations = 0;
    while (performance.now() - startedMs < durationMs) {
      for (let at = 0; at < BURST; at += 2) {
        const index = draw();
        opened.set(churnKeys[index] ?? "", makeValue(index));
        opened.get(churnKeys[draw()] ?? "");
      }
      operations += BURST;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const elapsedMs = performance.now() - startedMs;
    return {
      operationsPerSecond: operations / (elapsedMs / 1000),
      longestGcPauseMs: endWatch(),
      entries: opened.entryCount(),
    };
  },
};

function current(): EntryStore {
  if (store === undefined) throw new Error("not opened");
  return store;
}

function collect(): void {
  globalThis.gc?.();
}

export type EntryLoad = typeof handlers;

answerCalls(handlers);
