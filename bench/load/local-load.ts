/** The process of a cache that answers from its own memory. Each read is awaited before the next. */
import { createDraws, createKeys, createValues } from "../keyspace.ts";
import { type LocalCache, type LocalCacheName, openLocalCache } from "../local-cache.ts";
import { answerCalls } from "../process/worker.ts";

export interface LocalWindow {
  readonly perSecond: number;
}

/** Reads between two reads of the clock, whose cost would otherwise be a large part of the result. */
const READS_PER_CLOCK_READ = 2_000;
const FILL_CHUNK = 500;
const VALUE_BYTES = 100;

let cache: LocalCache | undefined;
let keys: readonly string[] = [];

const handlers = {
  /** Fills the cache and reads every key once, so that each is cached locally. */
  async prepare(name: LocalCacheName, address: string, entries: number, seed: number): Promise<void> {
    const opened = await openLocalCache(name, address, entries * 2);
    cache = opened;
    keys = createKeys(entries);
    const makeValue = createValues(Math.ceil(VALUE_BYTES / 2), seed);
    for (let from = 0; from < entries; from += FILL_CHUNK) {
      const chunk = keys.slice(from, from + FILL_CHUNK);
      await Promise.all(
        chunk.map((key, offset) => opened.set(key, makeValue(from + offset).toString("hex"))),
      );
      await Promise.all(chunk.map((key) => opened.get(key)));
    }
  },

  async hits(durationMs: number, seed: number): Promise<LocalWindow> {
    const opened = cache;
    if (opened === undefined) throw new Error("not prepared");
    const draw = createDraws("zipfian", keys.length, seed);
    const localBefore = opened.localHits();
    let reads = 0;
    let missed = 0;
    const startedMs = performance.now();
    let elapsedMs = 0;
    while (elapsedMs < durationMs) {
      for (let at = 0; at < READS_PER_CLOCK_READ; at++) {
        const answer = await opened.get(keys[draw()] ?? "");
        if (opened.valueChars(answer) !== VALUE_BYTES) missed++;
      }
      reads += READS_PER_CLOCK_READ;
      elapsedMs = performance.now() - startedMs;
      // The event loop must handle pings and events. A cache that never reads its socket is not coherent.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const local = opened.localHits();
    if (local !== undefined && localBefore !== undefined)
      missed += Math.max(0, reads - (local - localBefore));
    // A few entries may be revalidated, but this row must measure hits.
    if (missed > reads / 1000) throw new Error(`${missed} of ${reads} reads were no local hits`);
    return { perSecond: reads / (elapsedMs / 1000) };
  },
};

export type LocalLoad = typeof handlers;

answerCalls(handlers);
