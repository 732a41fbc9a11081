/** How long the entry of a response lives in the cache: fresh as HTTP says, and then for as long as it may be of use. */
import type { StoredResponse } from "./stored-response.ts";
import { validatingHeaders } from "./validators.ts";

/** Beyond it a response is asked for again, whatever it says. */
const LIFETIME_MAX_MS = 30 * 86_400_000;
/** How long after its end a response is kept, to be confirmed by its validator, or served while the origin is away. */
export const STALE_KEPT_MS = 86_400_000;

export interface Lifetimes {
  readonly ttlMs: number;
  readonly staleMs: number;
}

/** At least 1 ms: for an entry 0 would be without an end. */
export function lifetimesOf(response: StoredResponse): Lifetimes {
  const { use, lifetimeMs, initialAgeMs } = response;
  const freshMs = use.validate ? 0 : lifetimeMs - initialAgeMs;
  const isOfUse = !use.staleForbidden || validatingHeaders(response.headers).length > 0;
  const staleMs = Math.max(STALE_KEPT_MS, use.staleWhileRevalidateMs, use.staleIfErrorMs ?? 0);
  return { ttlMs: within(Math.max(1, freshMs)), staleMs: isOfUse ? within(staleMs) : 0 };
}

function within(ms: number): number {
  return Math.min(Math.ceil(ms), LIFETIME_MAX_MS);
}
