/** One string for a namespace and a name in it (a key or a tag), for use in maps. */

/** Unambiguous, since no namespace has a colon in it. */
export function toEntryId(namespace: string, name: string): string {
  return `${namespace}:${name}`;
}
