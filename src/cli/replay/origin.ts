/**
 * The source that a replay caches: it knows the true version of every object, and from which version on a read
 * must be answered.
 *
 * An object's version has two parts, one that its own writes raise and one that writes of its whole tag raise. A
 * write first raises a version here, then invalidates in the cache, then is acknowledged. So a value in the
 * cache may be older than the truth while its write is under way; it is stale when it is older than a write
 * that was acknowledged before the read was issued. That is the floor of the read.
 */
import type { TraceObject } from "./trace.ts";

export interface Version {
  readonly ofKey: number;
  readonly ofTag: number;
}

/** A write under way. */
export interface Write {
  /** The cache has answered the invalidation. */
  acknowledge(): void;
}

export interface Origin {
  /** The true version now: what a load would return. */
  load(object: TraceObject): Version;
  /** The oldest version that a read issued now may be answered with. */
  floor(object: TraceObject): Version;
  writeKey(object: TraceObject): Write;
  writeTag(object: TraceObject): Write;
}

interface Counter {
  written: number;
  acknowledged: number;
}

export function createOrigin(): Origin {
  const keys = new Map<number, Counter>();
  const tags = new Map<string, Counter>();
  return {
    load: ({ id, tag }) => ({ ofKey: keys.get(id)?.written ?? 0, ofTag: tags.get(tag)?.written ?? 0 }),
    floor: ({ id, tag }) => ({
      ofKey: keys.get(id)?.acknowledged ?? 0,
      ofTag: tags.get(tag)?.acknowledged ?? 0,
    }),
    writeKey: ({ id }) => raise(keys, id),
    writeTag: ({ tag }) => raise(tags, tag),
  };
}

function raise<Name>(counters: Map<Name, Counter>, name: Name): Write {
  const counter = counters.get(name) ?? { written: 0, acknowledged: 0 };
  counters.set(name, counter);
  counter.written += 1;
  const version = counter.written;
  return {
    // Of two writes at once the later may be answered first; its invalidation covers the earlier one too.
    acknowledge: () => {
      counter.acknowledged = Math.max(counter.acknowledged, version);
    },
  };
}
