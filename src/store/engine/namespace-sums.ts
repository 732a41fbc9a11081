/** Adds up what the shards say of each namespace. */
import type { NamespaceCounters, NamespaceUsage } from "../api/store.ts";
import { COUNTER_NAMES } from "../namespaces/record-cells.ts";

export class NamespaceSums {
  readonly #sums = new Map<string | undefined, NamespaceUsage>();

  add(usage: NamespaceUsage): void {
    const former = this.#sums.get(usage.namespace);
    this.#sums.set(usage.namespace, former === undefined ? usage : sumOf(former, usage));
  }

  /** In the order of their names. The rest, which has none, comes last. */
  usages(): NamespaceUsage[] {
    return [...this.#sums.values()].sort(({ namespace: one }, { namespace: other }) => {
      if (one === undefined || other === undefined)
        return Number(one === undefined) - Number(other === undefined);
      return one < other ? -1 : 1;
    });
  }
}

function sumOf(one: NamespaceUsage, other: NamespaceUsage): NamespaceUsage {
  const counters = Object.fromEntries(
    COUNTER_NAMES.map((name) => [name, one.counters[name] + other.counters[name]]),
  ) as NamespaceCounters;
  return {
    namespace: one.namespace,
    entries: one.entries + other.entries,
    bytes: one.bytes + other.bytes,
    counters,
  };
}
