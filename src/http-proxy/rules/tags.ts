/** The tags that an origin gives to a response: Surrogate-Key, separated by spaces, and Cache-Tag, by commas. */
import { linesOf, listItems, type RawHeaders } from "./header-fields.ts";

/** They are for caches, and are taken off answers. */
export const TAG_FIELDS: ReadonlySet<string> = new Set(["surrogate-key", "cache-tag"]);

/** Each once. */
export function tagsOf(headers: RawHeaders): string[] {
  const surrogate = linesOf(headers, "surrogate-key").flatMap((value) => value.split(/[ \t,]+/));
  const cache = linesOf(headers, "cache-tag").flatMap(listItems);
  return [...new Set([...surrogate, ...cache])].filter((tag) => tag !== "");
}
