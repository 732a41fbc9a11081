/** The process that replays traces: cache-aside reads, a Set after each miss, and entries of one size. */
import type { StoreEngine } from "../../src/store/engine/create-store.ts";
import { type EntryStoreName, openUnitStore } from "../entry-store.ts";
import { createKeys } from "../keyspace.ts";
import { answerCalls } from "../process/worker.ts";
import { readTrace, type Trace, type TraceName } from "./trace.ts";

export interface ReplayResult {
  readonly hitRatio: number;
  /** The largest number of entries held at once. */
  readonly entriesSeen: number;
}

/** Large, so that the overhead of an entry is small in comparison. */
const VALUE_BYTES = 1_000;
const ACCESSES_PER_COUNT = 1_000;

let trace: Trace | undefined;
let keys: readonly string[] = [];

const handlers = {
  /** Returns the number of different objects in the trace. */
  async load(folder: string, name: TraceName, accessesMax: number): Promise<number> {
    trace = await readTrace(folder, name, accessesMax);
    keys = createKeys(trace.objects);
    return trace.objects;
  },

  async replay(
    store: EntryStoreName,
    entriesMax: number,
    engine: StoreEngine | undefined,
  ): Promise<ReplayResult> {
    if (trace === undefined) throw new Error("no trace is loaded");
    const opened = await openUnitStore(store, { entriesMax, valueBytes: VALUE_BYTES, engine });
    const value = new Uint8Array(VALUE_BYTES);
    let hits = 0;
    let entriesSeen = 0;
    for (let at = 0; at < trace.accesses.length; at++) {
      const key = keys[trace.accesses[at] ?? 0] ?? "";
      if (opened.get(key) === undefined) opened.set(key, value);
      else hits++;
      if (at % ACCESSES_PER_COUNT === 0) entriesSeen = Math.max(entriesSeen, opened.entryCount());
    }
    return { hitRatio: hits / trace.accesses.length, entriesSeen };
  },
};

export type TraceLoad = typeof handlers;

answerCalls(handlers);
