/** Few selectors for many namespaces: each of all namespaces whose names have a prefix. */
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";

/**
 * At most `most` selectors that cover all these namespaces. In the order of the names, the neighbours with the longest common
 * prefix go together, so that the selectors cover few other names.
 */
export function toWiderSelectors(namespaces: Iterable<string>, most: number): Selector[] {
  const names = Array.from(namespaces).sort();
  const begins = beginsOfGroups(names, most);
  return begins.map((begin, at) => {
    const first = names[begin] ?? "";
    const last = names[(begins[at + 1] ?? names.length) - 1] ?? "";
    const namespaceIsPrefix = first !== last;
    return {
      $typeName: "meshcache.v1.Selector",
      namespace: namespaceIsPrefix ? first.slice(0, commonLength(first, last)) : first,
      namespaceIsPrefix,
      prefixes: [],
    };
  });
}

/** Where the groups begin: between the neighbours that have the least in common. */
function beginsOfGroups(names: readonly string[], most: number): number[] {
  const common = new Uint32Array(names.length);
  for (let at = 1; at < names.length; at += 1)
    common[at] = commonLength(names[at - 1] ?? "", names[at] ?? "");
  const byCommon = Array.from(names.keys()).slice(1);
  byCommon.sort((one, other) => (common[one] ?? 0) - (common[other] ?? 0) || one - other);
  return [0, ...byCommon.slice(0, most - 1)].sort((one, other) => one - other);
}

function commonLength(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one.charCodeAt(length) === other.charCodeAt(length)) length += 1;
  return length;
}
