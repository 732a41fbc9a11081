/** Header fields as they came: names and values by turns, bytes as latin1, in their order. */

export type RawHeaders = readonly string[];

/** Fields of one connection (RFC 9110, 7.6.1), which neither travel on nor are stored. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The values of a field, one for each line. `name` is in lower case. */
export function linesOf(headers: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    if (isNamed(headers[at] ?? "", name)) values.push(headers[at + 1] ?? "");
  }
  return values;
}

/** The lines of a field as one list; undefined without one. `name` is in lower case. */
export function fieldOf(headers: RawHeaders, name: string): string | undefined {
  const values = linesOf(headers, name);
  return values.length === 0 ? undefined : values.join(", ");
}

/** What is left without the fields of the connection and those that `drop` names, in lower case. */
export function endToEnd(headers: RawHeaders, drop: ReadonlySet<string> = NONE): string[] {
  const connection = new Set(linesOf(headers, "connection").flatMap(listItems).map(toLower));
  return without(
    headers,
    (name) => HOP_BY_HOP.has(name) || drop.has(name) || (connection.has(name) && !NEVER_NAMED.has(name)),
  );
}

/** `isDropped` is asked about names in lower case. */
export function without(headers: RawHeaders, isDropped: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (!isDropped(name.toLowerCase())) kept.push(name, headers[at + 1] ?? "");
  }
  return kept;
}

/**
 * The items of a list, which may have quoted strings in it: those that are empty are none. A quote without an end is an ordinary
 * character: it hides no directive.
 */
export function listItems(value: string): string[] {
  const items: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at < value.length; at += 1) {
    const char = value[at];
    if (isQuoted && char === "\\") at += 1;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === "," && !isQuoted) {
      items.push(value.slice(from, at));
      from = at + 1;
    }
  }
  const rest = value.slice(from);
  return (isQuoted ? items.concat(rest.split(",")) : [...items, rest])
    .map(trim)
    .filter((item) => item !== "");
}

/** Without the spaces and tabs around it: nothing else is optional whitespace. */
export function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const NONE: ReadonlySet<string> = new Set();
/** A `Connection` that names one of these would take from the message what its caching depends on. */
const NEVER_NAMED: ReadonlySet<string> = new Set([
  "age",
  "cache-control",
  "content-length",
  "date",
  "host",
  "vary",
]);

const toLower = (text: string): string => text.toLowerCase();

function isNamed(name: string, lower: string): boolean {
  return name.length === lower.length && name.toLowerCase() === lower;
}
