/** The tags that an origin gives to a response: Surrogate-Key, separated by spaces, and Cache-Tag, by commas. */
import { createHash } from "node:crypto";
import { linesOf, listItems, type RawHeaders } from "./header-fields.ts";

/** They are for caches, and are taken off answers. */
export const TAG_FIELDS: ReadonlySet<string> = new Set(["surrogate-key", "cache-tag"]);

/** Each once. */
export function tagsOf(headers: RawHeaders): string[] {
  const surrogate = linesOf(headers, "surrogate-key").flatMap((value) => value.split(/[ \t,]+/));
  const cache = linesOf(headers, "cache-tag").flatMap(listItems);
  return [...new Set([...surrogate, ...cache])].filter((tag) => tag !== "");
}

const TAG_MAX_BYTES = 128;
/** What an entry may have, unless the server is configured otherwise. */
const TAGS_MAX = 16;

/** The tag that all responses of a URL have. */
export function urlTagOf(url: string): string {
  return `url:${createHash("sha256").update(url).digest("base64url")}`;
}

/**
 * The tags of the entry of a response. Undefined: it has more, or longer ones, than an entry may have; without them nobody could
 * invalidate it.
 */
export function entryTagsOf(url: string, headers: RawHeaders): string[] | undefined {
  const tags = [urlTagOf(url), ...tagsOf(headers)];
  const isWithin = tags.length <= TAGS_MAX && tags.every((tag) => Buffer.byteLength(tag) <= TAG_MAX_BYTES);
  return isWithin ? tags : undefined;
}
