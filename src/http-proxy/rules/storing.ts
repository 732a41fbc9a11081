/** Whether a response may be stored (RFC 9111, 3), for how long, and what of it. */
import {
  type Directives,
  durationMs,
  isUnqualified,
  namedFields,
  type ResponseDirectives,
  responseDirectives,
} from "./cache-control.ts";
import { explicitLifetimeMs, heuristicLifetimeMs, initialAgeMs, type ResponseTimes } from "./freshness.ts";
import { endToEnd, type RawHeaders } from "./header-fields.ts";
import type { ReuseRules } from "./stored-response.ts";
import { validatingHeaders } from "./validators.ts";
import { varyNames } from "./vary.ts";

/** What the cache needs to know of a request. */
export interface AskedWith {
  readonly authorization: boolean;
  readonly cookie: boolean;
  readonly noStore: boolean;
}

export interface ResponseHead {
  readonly status: number;
  readonly statusMessage: string;
  readonly headers: RawHeaders;
  readonly times: ResponseTimes;
}

/** How a response is to be kept. */
export interface Keeping {
  readonly headers: RawHeaders;
  readonly ageMs: number;
  readonly lifetimeMs: number;
  readonly use: ReuseRules;
  readonly vary: readonly string[];
}

/** Why a response is not kept. "stale": as it comes, and without a validator. */
export type Unkeepable =
  | "no_store"
  | "private"
  | "status"
  | "authorization"
  | "no_lifetime"
  | "stale"
  | "vary";

export function isKeeping(keeping: Keeping | Unkeepable): keeping is Keeping {
  return typeof keeping !== "string";
}

/** Statuses whose meaning this cache knows, for `must-understand`. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501,
]);
/** Those that may be kept although nothing says for how long (RFC 9110, 15.1); parts of a whole are not kept at all. */
const HEURISTIC: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);
const PARTIAL = 206;
const NOT_MODIFIED = 304;

/** How a response is to be kept, or why it must not be, or is of no use. */
export function toKeeping(request: AskedWith, head: ResponseHead): Keeping | Unkeepable {
  const response = responseDirectives(head.headers);
  const { directives } = response;
  const forbidden = request.noStore ? "no_store" : forbiddenBy(head.status, directives);
  if (forbidden !== undefined) return forbidden;
  const authorized = ["public", "s-maxage", "must-revalidate"].some((name) => directives.has(name));
  if (request.authorization && !authorized) return "authorization";
  const vary = varyNames(head.headers);
  const lifetimeMs = lifetimeOf(request, head, response);
  if (vary === undefined) return "vary";
  if (lifetimeMs === undefined) return "no_lifetime";
  const ageMs = initialAgeMs(head.headers, head.times);
  const validate = isUnqualified(directives, "no-cache");
  const isFresh = lifetimeMs > ageMs && !validate;
  if (!isFresh && validatingHeaders(head.headers).length === 0) return "stale";
  const headers = endToEnd(
    head.headers,
    new Set(["age", ...namedFields(directives, "no-cache"), ...namedFields(directives, "private")]),
  );
  return { headers, ageMs, lifetimeMs, use: toUse(directives, validate, authorized), vary };
}

function forbiddenBy(status: number, directives: Directives): Unkeepable | undefined {
  if (status === PARTIAL || status === NOT_MODIFIED || status < 200) return "status";
  const mustUnderstand = directives.has("must-understand");
  if (mustUnderstand && !UNDERSTOOD.has(status)) return "status";
  // A cache that understands both ignores the no-store that is for those that do not (5.2.2.3).
  if (directives.has("no-store") && !mustUnderstand) return "no_store";
  return isUnqualified(directives, "private") ? "private" : undefined;
}

/** Undefined: nothing permits to keep it. */
function lifetimeOf(
  request: AskedWith,
  { status, headers, times }: ResponseHead,
  response: ResponseDirectives,
): number | undefined {
  const explicitMs = explicitLifetimeMs(headers, response, times);
  if (explicitMs !== undefined) return explicitMs;
  const isPublic = response.directives.has("public");
  if (!isPublic && !HEURISTIC.has(status)) return undefined;
  // What may be of one user is kept only where the origin says so.
  const setsCookie = headers.some((field, at) => at % 2 === 0 && field.toLowerCase() === "set-cookie");
  if (!isPublic && (request.authorization || request.cookie || setsCookie)) return undefined;
  return heuristicLifetimeMs(headers, times);
}

function toUse(directives: Directives, validate: boolean, authorized: boolean): ReuseRules {
  return {
    validate,
    staleForbidden:
      validate || ["must-revalidate", "proxy-revalidate", "s-maxage"].some((name) => directives.has(name)),
    staleWhileRevalidateMs: durationMs(directives, "stale-while-revalidate") ?? 0,
    staleIfErrorMs: durationMs(directives, "stale-if-error"),
    authorized,
  };
}
