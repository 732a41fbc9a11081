/** Cache-Control (RFC 9111, 5.2), and the fields of the same form that only some caches read. */
import { fieldOf, listItems, type RawHeaders, TOKEN, trim } from "./header-fields.ts";

/** Names in lower case. `true`: without an argument. Of a directive that comes twice the first one counts (4.2.1). */
export type Directives = ReadonlyMap<string, string | true>;

/** Lifetimes beyond this are this long, as RFC 9111, 1.2.2 wants. */
const SECONDS_MAX = 2 ** 31;
const DIGITS = /^\d+$/;

export function parseDirectives(value: string | undefined): Directives {
  const directives = new Map<string, string | true>();
  for (const item of listItems(value ?? "")) {
    const at = item.indexOf("=");
    const name = (at === -1 ? item : item.slice(0, at)).toLowerCase();
    if (!TOKEN.test(name) || directives.has(name)) continue;
    directives.set(name, at === -1 ? true : unquoted(item.slice(at + 1)));
  }
  return directives;
}

/** Of a request: without Cache-Control, `Pragma: no-cache` means the same as there (5.4). */
export function requestDirectives(cacheControl: string | undefined, pragma: string | undefined): Directives {
  if (cacheControl !== undefined) return parseDirectives(cacheControl);
  if (pragma === undefined) return NO_DIRECTIVES;
  const isNoCache = listItems(pragma).some((item) => item.toLowerCase() === "no-cache");
  return isNoCache ? NO_CACHE : NO_DIRECTIVES;
}

/** Milliseconds. Undefined: there is no such directive. What is no number of seconds counts as 0: it is stale (4.2.1). */
export function durationMs(directives: Directives, name: string): number | undefined {
  const value = directives.get(name);
  if (value === undefined) return undefined;
  return value !== true && DIGITS.test(value) ? Math.min(Number(value), SECONDS_MAX) * 1_000 : 0;
}

/** The fields that a qualified `no-cache` or `private` names, in lower case. Empty also where one of them is no name. */
export function namedFields(directives: Directives, name: string): string[] {
  const value = directives.get(name);
  const fields = value === undefined || value === true ? [] : listItems(value);
  return fields.every((field) => TOKEN.test(field)) ? fields.map((field) => field.toLowerCase()) : [];
}

/** The directive stands for the whole response, not for some of its fields. */
export function isUnqualified(directives: Directives, name: string): boolean {
  return directives.has(name) && namedFields(directives, name).length === 0;
}

/**
 * What a response says to this cache. `CDN-Cache-Control` (RFC 9213) replaces Cache-Control and Expires where it is valid, and
 * so does `Surrogate-Control` (Edge Architecture 1.0) where it is for every surrogate or for this one.
 */
export interface ResponseDirectives {
  readonly directives: Directives;
  /** They replace Expires too. */
  readonly isTargeted: boolean;
}

export function responseDirectives(headers: RawHeaders): ResponseDirectives {
  const cdn = parseTargeted(fieldOf(headers, "cdn-cache-control"));
  if (cdn !== undefined) return { directives: cdn, isTargeted: true };
  const surrogate = parseSurrogate(fieldOf(headers, "surrogate-control"));
  if (surrogate !== undefined) return { directives: surrogate, isTargeted: true };
  return { directives: parseDirectives(fieldOf(headers, "cache-control")), isTargeted: false };
}

/** How this cache names itself to origins, and what it takes of their answer. */
export const SURROGATE = "meshcache";
export const SURROGATE_CAPABILITY = `${SURROGATE}="Surrogate/1.0"`;

const SURROGATE_KNOWN: ReadonlySet<string> = new Set(["max-age", "no-store", "no-store-remote"]);

/** Undefined: there is nothing in it for this surrogate. */
function parseSurrogate(value: string | undefined): Directives | undefined {
  if (value === undefined) return undefined;
  let general = "";
  let own = "";
  for (const item of listItems(value)) {
    const [directive = "", target] = item.split(";").map(trim);
    if (target === undefined) general += `, ${directive}`;
    else if (target === SURROGATE) own += `, ${directive}`;
  }
  // What names this surrogate wins, and the first of two counts.
  const directives = parseDirectives(`${own}${general}`);
  return [...directives.keys()].some((name) => SURROGATE_KNOWN.has(name)) ? directives : undefined;
}

/** Keys and bare items of a structured dictionary (RFC 8941), as far as directives need them. */
const SF_MEMBER =
  /^([a-z*][a-z0-9_\-.*]*)(?:=(?:(-?\d{1,15})|(\?[01])|("(?:[ !#-[\]-~]|\\["\\])*")|([A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*)))?$/;
const SF_NUMBERS: ReadonlySet<string> = new Set([
  "max-age",
  "s-maxage",
  "stale-if-error",
  "stale-while-revalidate",
]);

/** Undefined for none, for one that is empty, and for one that is no dictionary, or has a member of the wrong type: it is ignored. */
function parseTargeted(value: string | undefined): Directives | undefined {
  const members = value === undefined ? [] : listItems(value);
  const directives = new Map<string, string | true>();
  for (const member of members) {
    // Parameters mean nothing in it.
    const [, name, integer, flag, text, token] = SF_MEMBER.exec(trim(member.split(";", 1)[0] ?? "")) ?? [];
    if (name === undefined) return undefined;
    if (SF_NUMBERS.has(name) && integer === undefined) return undefined;
    // Of two members with one key the last one counts in a dictionary.
    directives.delete(name);
    if (flag === "?0") continue;
    directives.set(name, integer ?? (text === undefined ? token : unquoted(text)) ?? true);
  }
  return directives.size === 0 ? undefined : directives;
}

const NO_DIRECTIVES: Directives = new Map();
const NO_CACHE: Directives = new Map([["no-cache", true]]);

function unquoted(value: string): string {
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  return isQuoted ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
}
