/**
 * Chooses the namespaces that metrics name: those with the most reads and Sets, and all others together. One that was
 * named stays so while the store knows it. No counter ever goes down, also when the store forgets a namespace.
 */
import type { NamespaceCounters, NamespaceUsage } from "../store/api/store.ts";
import { mostActive, sumOfUsages, toCounters } from "../store/api/usage.ts";

/** Each name is a set of time series, here and where they are collected. */
const NAMED_MAX = 20;
/** The name of all others together. A namespace of this name is one of them. */
const OTHER = "other";

const NONE = sumOfUsages([]);

export class NamedNamespaces {
  /** What was told of each, without end. */
  readonly #told = new Map<string, NamespaceCounters>();
  #toldOfOthers = NONE.counters;
  #former = new Map<string | undefined, NamespaceUsage>();
  #formerSum = NONE.counters;

  /** What to tell of the namespaces, the others last. Each of them has a name. */
  read(usages: readonly NamespaceUsage[]): NamespaceUsage[] {
    const now = new Map(usages.map((usage) => [usage.namespace, usage]));
    this.#choose(usages, now);
    const sum = sumOfUsages(usages);
    let others = minus(sum.counters, this.#formerSum);
    const named: NamespaceUsage[] = [];
    for (const [namespace, told] of this.#told) {
      const usage = now.get(namespace) ?? NONE;
      const since = minus(usage.counters, this.#former.get(namespace)?.counters ?? NONE.counters);
      others = minus(others, since);
      const counters = plus(told, since);
      this.#told.set(namespace, counters);
      named.push({ ...usage, namespace, counters });
    }
    this.#toldOfOthers = plus(this.#toldOfOthers, others);
    this.#former = now;
    this.#formerSum = sum.counters;
    const shown = sumOfUsages(named);
    return [
      ...named,
      {
        ...NONE,
        namespace: OTHER,
        entries: sum.entries - shown.entries,
        bytes: sum.bytes - shown.bytes,
        counters: this.#toldOfOthers,
      },
    ];
  }

  /** Names the most active ones that are not named, in the place of those that the store has forgotten. */
  #choose(usages: readonly NamespaceUsage[], now: ReadonlyMap<string | undefined, NamespaceUsage>): void {
    for (const { namespace } of mostActive(usages, NAMED_MAX)) {
      if (namespace === undefined || namespace === OTHER || this.#told.has(namespace)) continue;
      if (this.#told.size === NAMED_MAX) {
        const gone = [...this.#told.keys()].find((name) => !now.has(name));
        if (gone === undefined) return;
        this.#toldOfOthers = plus(this.#toldOfOthers, this.#told.get(gone) ?? NONE.counters);
        this.#told.delete(gone);
      }
      this.#told.set(namespace, NONE.counters);
    }
  }
}

function plus(one: NamespaceCounters, other: NamespaceCounters): NamespaceCounters {
  return toCounters((name) => one[name] + other[name]);
}

/** Not below 0: a shard may have forgotten the namespace, and counts from 0 again when it returns. */
function minus(one: NamespaceCounters, other: NamespaceCounters): NamespaceCounters {
  return toCounters((name) => Math.max(0, one[name] - other[name]));
}
