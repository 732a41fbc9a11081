/** How long a response is fresh, and how old it came (RFC 9111, 4.2). */
import { durationMs, type ResponseDirectives } from "./cache-control.ts";
import { fieldOf, linesOf, listItems, type RawHeaders } from "./header-fields.ts";
import { parseHttpDate } from "./http-date.ts";

/** When the request was sent and when its response began, in milliseconds since 1970. */
export interface ResponseTimes {
  readonly requestedAtMs: number;
  readonly respondedAtMs: number;
}

const HEURISTIC_SHARE = 0.1;
const HEURISTIC_MAX_MS = 86_400_000;
const AGE_MAX_S = 2 ** 31;

/** Undefined: the response says nothing about it. */
export function explicitLifetimeMs(
  headers: RawHeaders,
  { directives, isTargeted }: ResponseDirectives,
  { respondedAtMs }: ResponseTimes,
): number | undefined {
  const maxAgeMs = durationMs(directives, "s-maxage") ?? durationMs(directives, "max-age");
  if (maxAgeMs !== undefined || isTargeted) return maxAgeMs;
  const [expires, other] = linesOf(headers, "expires");
  if (expires === undefined) return undefined;
  const expiresMs = other === undefined ? parseHttpDate(expires, respondedAtMs) : undefined;
  // What is no date is a time in the past (5.3).
  return expiresMs === undefined ? 0 : Math.max(0, expiresMs - dateMs(headers, respondedAtMs));
}

/** A tenth of the time since the last change, as 4.2.2 suggests, and at most a day. */
export function heuristicLifetimeMs(headers: RawHeaders, { respondedAtMs }: ResponseTimes): number {
  const modifiedMs = parseHttpDate(fieldOf(headers, "last-modified"), respondedAtMs);
  if (modifiedMs === undefined) return 0;
  const sinceMs = dateMs(headers, respondedAtMs) - modifiedMs;
  return Math.min(Math.max(0, sinceMs * HEURISTIC_SHARE), HEURISTIC_MAX_MS);
}

/** How old it was when it began to arrive: `corrected_initial_age` of 4.2.3. */
export function initialAgeMs(headers: RawHeaders, { requestedAtMs, respondedAtMs }: ResponseTimes): number {
  const apparentMs = Math.max(0, respondedAtMs - dateMs(headers, respondedAtMs));
  return Math.max(apparentMs, ageValueMs(headers) + respondedAtMs - requestedAtMs);
}

/** The first member of Age; one that is no number is ignored (5.1). */
function ageValueMs(headers: RawHeaders): number {
  const [first = ""] = listItems(fieldOf(headers, "age") ?? "");
  return /^\d+$/.test(first) ? Math.min(Number(first), AGE_MAX_S) * 1_000 : 0;
}

/** A response without a valid date is of the moment when it came. */
function dateMs(headers: RawHeaders, respondedAtMs: number): number {
  return parseHttpDate(fieldOf(headers, "date"), respondedAtMs) ?? respondedAtMs;
}
