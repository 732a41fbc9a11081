/** Adds up what the shards say of each namespace. */
import type { NamespaceUsage } from "../api/store.ts";
import { sumOfUsages } from "../api/usage.ts";
import type { NamespaceRules } from "../namespaces/namespace-bounds.ts";

export class NamespaceSums {
  readonly #usages = new Map<string | undefined, NamespaceUsage[]>();

  add(usage: NamespaceUsage): void {
    const known = this.#usages.get(usage.namespace);
    if (known === undefined) this.#usages.set(usage.namespace, [usage]);
    else known.push(usage);
  }

  /** In the order of their names. The rest, which has none, comes last. */
  usages(rules: NamespaceRules): NamespaceUsage[] {
    return [...this.#usages]
      .map(([namespace, shards]) => {
        const bounds = namespace === undefined ? {} : rules.of(namespace);
        return { ...sumOfUsages(shards), ...bounds, namespace };
      })
      .sort(compare);
  }
}

function compare({ namespace: one }: NamespaceUsage, { namespace: other }: NamespaceUsage): number {
  if (one === undefined || other === undefined)
    return Number(one === undefined) - Number(other === undefined);
  return one < other ? -1 : 1;
}
