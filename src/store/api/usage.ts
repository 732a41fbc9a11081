/** Sums and orders of what namespaces have and did. */
import type { NamespaceCounters, NamespaceUsage } from "./store.ts";

/** The numbers of the counters of a namespace. */
export const NAMESPACE_COUNTER = {
  hits: 0,
  staleHits: 1,
  misses: 2,
  sets: 3,
  setsRefused: 4,
  touches: 5,
  invalidatedKeys: 6,
  invalidatedTags: 7,
  invalidatedPrefixes: 8,
  invalidatedAll: 9,
  evictedCapacity: 10,
  evictedExpired: 11,
  evictedFenced: 12,
} as const satisfies Readonly<Record<keyof NamespaceCounters, number>>;

export type NamespaceCounterName = keyof typeof NAMESPACE_COUNTER;
export type NamespaceCounter = (typeof NAMESPACE_COUNTER)[NamespaceCounterName];
const isCounterName = (name: string): name is NamespaceCounterName => Object.hasOwn(NAMESPACE_COUNTER, name);
export const NAMESPACE_COUNTERS: readonly NamespaceCounterName[] =
  Object.keys(NAMESPACE_COUNTER).filter(isCounterName);

/** Counters by a function of their names. */
export function toCounters(countOf: (name: NamespaceCounterName) => number): NamespaceCounters {
  const counters: NamespaceCounters = { ...NAMESPACE_COUNTER };
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
