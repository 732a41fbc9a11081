/**
 * The data source of a replay. It knows the current version of every object, and the oldest version that a read may
 * return: its floor.
 *
 * A version has two parts: a count of the writes of the key, and a count of the writes of the tag. A write first
 * raises a count here, then invalidates in the cache, and is then acknowledged. While a write is under way, the cache
 * may still return the version before. A value is stale when it is older than a write that was acknowledged before the
 * read was sent.
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
  /** Later: all near caches have applied the invalidation. */
  deliver(): void;
}

export interface Origin {
  /** The current version, which a load returns. */
  load(object: TraceObject): Version;
  /** The oldest version that a read sent now may return. */
  floor(object: TraceObject): Version;
  /** The oldest version that a near cache may still have. */
  deliveredFloor(object: TraceObject): Version;
  /** When the first write after `version` was acknowledged. Undefined: none was. */
  overtakenAtMs(object: TraceObject, version: Version): number | undefined;
  writeKey(object: TraceObject): Write;
  writeTag(object: TraceObject): Write;
}

/** Whether `version` lacks a write that `other` has. */
export function isOlder(version: Version, other: Version): boolean {
  return version.ofKey < other.ofKey || version.ofTag < other.ofTag;
}

/** The writes of one key or one tag. */
interface Counter {
  written: number;
  delivered: number;
  /** When the write of version v was acknowledged, at index v - 1. */
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
      // Of two concurrent writes the later may be answered first. Its invalidation covers the earlier one.
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
