/** Which events a subscriber's selectors match. */
import type { Selector, StoreEvent } from "../api/store.ts";

/** An event of a tag or of the whole namespace matches whatever the prefixes: it may concern any key. */
export function matches(selector: Selector, event: StoreEvent): boolean {
  if (selector.namespaceIsPrefix) return event.namespace.startsWith(selector.namespace);
  if (selector.namespace !== event.namespace) return false;
  const { target, name } = event;
  if (selector.prefixes.length === 0 || target === "all" || target === "tag") return true;
  return selector.prefixes.some(
    (prefix) => name.startsWith(prefix) || (target === "prefix" && prefix.startsWith(name)),
  );
}
