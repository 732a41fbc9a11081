/** Sums and orders of what namespaces have and did. */
import type { NamespaceCounters, NamespaceUsage } from "./store.ts";

const NO_COUNTS: NamespaceCounters = {
  hits: 0,
  staleHits: 0,
  misses: 0,
  sets: 0,
  setsRefused: 0,
  touches: 0,
  invalidatedKeys: 0,
  invalidatedTags: 0,
  invalidatedPrefixes: 0,
  invalidatedAll: 0,
  evictedCapacity: 0,
  evictedExpired: 0,
  evictedFenced: 0,
};

export type NamespaceCounterName = keyof NamespaceCounters;
const isCounterName = (name: string): name is NamespaceCounterName => Object.hasOwn(NO_COUNTS, name);
export const NAMESPACE_COUNTERS: readonly NamespaceCounterName[] =
  Object.keys(NO_COUNTS).filter(isCounterName);

/** Counters by a function of their names. */
export function toCounters(countOf: (name: NamespaceCounterName) => number): NamespaceCounters {
  const counters = { ...NO_COUNTS };
  for (const name of NAMESPACE_COUNTERS) Object.assign(counters, { [name]: countOf(name) });
  return counters;
}

/** The sum of all, without a name and without bounds. */
export function sumOfUsages(usages: readonly NamespaceUsage[]): NamespaceUsage {
  const sum = (read: (usage: NamespaceUsage) => number): number =>
    usages.reduce((total, usage) => total + read(usage), 0);
  return {
    namespace: undefined,
    entries: sum((usage) => usage.entries),
    bytes: sum((usage) => usage.bytes),
    ceilingBytes: Infinity,
    floorBytes: 0,
    counters: toCounters((name) => sum((usage) => usage.counters[name])),
  };
}

/** At most `max` namespaces with a name, those with the most reads and Sets first. */
export function mostActive(usages: readonly NamespaceUsage[], max: number): NamespaceUsage[] {
  return usages
    .filter((usage) => usage.namespace !== undefined)
    .sort((one, other) => activityOf(other) - activityOf(one))
    .slice(0, max);
}

function activityOf({ counters }: NamespaceUsage): number {
  return counters.hits + counters.staleHits + counters.misses + counters.sets + counters.setsRefused;
}
