/** A stored response after a 304 has confirmed it (RFC 9111, 3.2 and 4.3.4). */
import { endToEnd, fieldOf, type RawHeaders, without } from "./header-fields.ts";

/** What describes the stored bytes stays with them. */
const KEPT: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-length",
  "content-md5",
  "content-range",
  "etag",
]);

/** The headers with those of the 304 in the place of the ones that they replace. */
export function updatedHeaders(stored: RawHeaders, confirmation: RawHeaders): RawHeaders {
  const news = endToEnd(confirmation, KEPT);
  const names = new Set(news.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase()));
  return [...without(stored, (name) => names.has(name)), ...news];
}

/** Whether a 304 is about this response: one with another strong validator is about something else. */
export function confirms(stored: RawHeaders, confirmation: RawHeaders): boolean {
  const etag = fieldOf(confirmation, "etag");
  const own = fieldOf(stored, "etag");
  return etag === undefined || own === undefined || etag.startsWith("W/") || etag.includes(own);
}
