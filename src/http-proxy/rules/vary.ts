/** Vary (RFC 9111, 4.1): which headers of the request have selected a response, and the name of the variant. */
import { createHash } from "node:crypto";
import { linesOf, listItems, type RawHeaders, TOKEN } from "./header-fields.ts";

/** More headers than an origin with a reason names. */
const NAMES_MAX = 16;

/** In lower case and sorted. Undefined: no request can be known to match, so the response is not kept. */
export function varyNames(headers: RawHeaders): readonly string[] | undefined {
  const names = new Set(
    linesOf(headers, "vary")
      .flatMap(listItems)
      .map((name) => name.toLowerCase()),
  );
  if (names.size > NAMES_MAX) return undefined;
  for (const name of names) if (name === "*" || !TOKEN.test(name)) return undefined;
  return [...names].sort();
}

/** What the origin sees of a request. */
export interface Selecting {
  /** The value of a header, its lines joined; `name` is in lower case. */
  seen(name: string): string | undefined;
}

/** The same for two requests that the origin cannot tell apart by these headers. Empty without names. */
export function variantOf(names: readonly string[], request: Selecting): string {
  if (names.length === 0) return "";
  const hash = createHash("sha256");
  for (const name of names) {
    const value = request.seen(name);
    const text = value === undefined ? undefined : normalized(name, value);
    // Lengths, so that no value can pass for the end of another.
    hash.update(text === undefined ? "-;" : `${text.length}:${text};`);
  }
  return hash.digest("base64url").slice(0, 22);
}

/** Preferences whose order says nothing: what counts is the weight of each. */
const PREFERENCES: ReadonlySet<string> = new Set(["accept-encoding", "accept-language"]);

function normalized(name: string, value: string): string {
  // Without what a list may have around its commas.
  if (!PREFERENCES.has(name)) return value.includes('"') ? value : listItems(value).join(",");
  return listItems(value.toLowerCase())
    .map((item) => item.replaceAll(/[ \t]/g, ""))
    .sort()
    .join(",");
}
