/** Which keys selectors cover. */
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";

/** The keys of a namespace that a near cache or a subscriber is about. No prefixes: all. */
export interface WantedKeys {
  readonly namespace: string;
  readonly prefixes: readonly string[];
}

export interface Cover {
  /** Whether an event of each of these keys is delivered. */
  covers(wanted: WantedKeys): boolean;
}

export const NO_COVER: Cover = { covers: () => false };

export class SelectorCover implements Cover {
  readonly #prefixesByNamespace = new Map<string, readonly string[]>();
  /** What the names of selected namespaces begin with. */
  readonly #namespacePrefixes: string[] = [];

  constructor(selectors: readonly Selector[]) {
    for (const { namespace, namespaceIsPrefix, prefixes } of selectors) {
      if (namespaceIsPrefix) this.#namespacePrefixes.push(namespace);
      else this.#prefixesByNamespace.set(namespace, prefixes);
    }
  }

  covers({ namespace, prefixes }: WantedKeys): boolean {
    const selected = this.#prefixesByNamespace.get(namespace);
    if (selected !== undefined && areWithin(prefixes, selected)) return true;
    return this.#namespacePrefixes.some((prefix) => namespace.startsWith(prefix));
  }
}

/** What each of several covers: of subscriptions that replace each other, and of which not all are answered. */
export function coverOfAll(covers: readonly Cover[]): Cover {
  const [only] = covers;
  if (only !== undefined && covers.length === 1) return only;
  return { covers: (wanted) => covers.length > 0 && covers.every((cover) => cover.covers(wanted)) };
}

function areWithin(wanted: readonly string[], selected: readonly string[]): boolean {
  if (selected.length === 0) return true;
  if (wanted.length === 0) return false;
  return wanted.every((prefix) => selected.some((other) => prefix.startsWith(other)));
}
