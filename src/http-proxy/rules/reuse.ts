/** What a stored response may be used for (RFC 9111, 4 and 5.2.1; RFC 5861). */
import { type Directives, durationMs } from "./cache-control.ts";
import { STALE_KEPT_MS } from "./lifetimes.ts";
import type { StoredResponse } from "./stored-response.ts";

export type Reuse =
  | { readonly kind: "fresh" }
  /** It may be served; `refresh`: the origin is asked meanwhile. */
  | { readonly kind: "stale"; readonly refresh: boolean }
  /** The origin is asked first. "request": because the request says so. */
  | { readonly kind: "validate"; readonly why: "stale" | "request" };

/** A response, and how old it is now. */
export interface Aged {
  readonly response: StoredResponse;
  readonly ageMs: number;
  /** The cache says that it is no longer fresh: its time is over, or somebody has made it stale. */
  readonly isStale: boolean;
}

const FRESH: Reuse = { kind: "fresh" };
const STALE: Reuse = { kind: "stale", refresh: false };
const REFRESH: Reuse = { kind: "stale", refresh: true };
const VALIDATE: Reuse = { kind: "validate", why: "stale" };
const VALIDATE_FOR_REQUEST: Reuse = { kind: "validate", why: "request" };

export function toReuse({ response, ageMs, isStale }: Aged, request: Directives): Reuse {
  const { use, lifetimeMs } = response;
  if (use.validate) return VALIDATE;
  const leftMs = lifetimeMs - ageMs;
  if (request.size > 0 && wantsNewer(request, ageMs, leftMs)) return VALIDATE_FOR_REQUEST;
  if (!isStale && leftMs > 0) return FRESH;
  if (use.staleForbidden) return VALIDATE;
  const overMs = Math.max(0, -leftMs);
  if (request.has("max-stale")) {
    const anyAge = request.get("max-stale") === true;
    if (anyAge || overMs <= (durationMs(request, "max-stale") ?? 0)) return STALE;
  }
  return overMs < use.staleWhileRevalidateMs ? REFRESH : VALIDATE;
}

function wantsNewer(request: Directives, ageMs: number, leftMs: number): boolean {
  if (request.has("no-cache")) return true;
  const maxAgeMs = durationMs(request, "max-age");
  if (maxAgeMs !== undefined && (maxAgeMs === 0 || ageMs > maxAgeMs)) return true;
  const minFreshMs = durationMs(request, "min-fresh");
  return minFreshMs !== undefined && leftMs < minFreshMs;
}

/** How the origin has failed. "answered": with a 500, which may be the answer to this very request. */
export type OriginFailure = "away" | "answered";

/** Undefined: it has not failed. */
export function failureOf(status: number): OriginFailure | undefined {
  if (status === 500) return "answered";
  return status >= 502 && status <= 504 ? "away" : undefined;
}

/** Whether a response may be served because the origin has failed. */
export function isUsableAfter(
  failure: OriginFailure,
  { response, ageMs }: Aged,
  request: Directives,
): boolean {
  const { use, lifetimeMs } = response;
  if (use.staleForbidden) return false;
  const saidMs = durationMs(request, "stale-if-error") ?? use.staleIfErrorMs;
  if (saidMs === undefined && failure === "answered") return false;
  return ageMs - lifetimeMs < (saidMs ?? STALE_KEPT_MS);
}
