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
  /** After that: everyone who keeps copies has applied it. */
  deliver(): void;
}

export interface Origin {
  /** The true version now: what a load would return. */
  load(object: TraceObject): Version;
  /** The oldest version that a read issued now may be answered with. */
  floor(object: TraceObject): Version;
  /** The oldest version of which anyone may still have a copy. */
  deliveredFloor(object: TraceObject): Version;
  /** When the first write that a version lacks was acknowledged; undefined when none was. */
  overtakenAtMs(object: TraceObject, version: Version): number | undefined;
  writeKey(object: TraceObject): Write;
  writeTag(object: TraceObject): Write;
}

/** Whether a write of `other` is missing from `version`. */
export function isOlder(version: Version, other: Version): boolean {
  return version.ofKey < other.ofKey || version.ofTag < other.ofTag;
}

/** The writes of one key or one tag. */
interface Counter {
  written: number;
  delivered: number;
  /** Of version v at v - 1. */
  readonly acknowledgedAtMs: number[];
}

const UNWRITTEN: Readonly<Counter> = { written: 0, delivered: 0, acknowledgedAtMs: [] };

export function createOrigin(nowMs: () => number = () => performance.now()): Origin {
  const keys = new Map<number, Counter>();
  const tags = new Map<string, Counter>();
  const countersOf = ({ id, tag }: TraceObject) => ({
    ofKey: keys.get(id) ?? UNWRITTEN,
    ofTag: tags.get(tag) ?? UNWRITTEN,
  });
  const versionOf = (object: TraceObject, part: (counter: Readonly<Counter>) => number): Version => {
    const { ofKey, ofTag } = countersOf(object);
    return { ofKey: part(ofKey), ofTag: part(ofTag) };
  };

  const raise = <Name>(counters: Map<Name, Counter>, name: Name): Write => {
    const counter = counters.get(name) ?? { written: 0, delivered: 0, acknowledgedAtMs: [] };
    counters.set(name, counter);
    counter.written += 1;
    const version = counter.written;
    return {
      // Of two writes at once the later may be answered first; its invalidation covers the earlier one too.
      acknowledge() {
        const atMs = nowMs();
        while (counter.acknowledgedAtMs.length < version) counter.acknowledgedAtMs.push(atMs);
      },
      deliver() {
        counter.delivered = Math.max(counter.delivered, version);
      },
    };
  };

  return {
    load: (object) => versionOf(object, ({ written }) => written),
    floor: (object) => versionOf(object, ({ acknowledgedAtMs }) => acknowledgedAtMs.length),
    deliveredFloor: (object) => versionOf(object, ({ delivered }) => delivered),
    overtakenAtMs(object, version) {
      const { ofKey, ofTag } = countersOf(object);
      const times = [ofKey.acknowledgedAtMs[version.ofKey], ofTag.acknowledgedAtMs[version.ofTag]];
      const known = times.filter((time) => time !== undefined);
      return known.length === 0 ? undefined : Math.min(...known);
    },
    writeKey: ({ id }) => raise(keys, id),
    writeTag: ({ tag }) => raise(tags, tag),
  };
}
