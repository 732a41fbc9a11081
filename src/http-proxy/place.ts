/** Where in the cache the response to a request is, and what is there. */
import type { CacheStatus, ForwardReason } from "./cache-status.ts";
import type { ProxiedRequest } from "./proxied-request.ts";
import type { ResponseStore, StoredEntry } from "./response-store.ts";
import type { Aged } from "./rules/reuse.ts";
import { variantOf } from "./rules/vary.ts";

export interface Place {
  readonly key: string;
  readonly entry: StoredEntry | undefined;
  /** Why the origin is asked, if it is. */
  readonly reason: ForwardReason;
}

/** Where the response is in the memory of this process, and fresh there. At once. */
export function findNear(store: ResponseStore, request: ProxiedRequest): Place | undefined {
  const key = store.keyOf(request.target);
  const entry = store.near(key);
  if (entry === undefined || entry.value.kind === "passed") return undefined;
  const { vary, variant } = entry.value;
  if (vary.length === 0 || variantOf(vary, request) === variant) return { key, entry, reason: "miss" };
  return undefined;
}

/** By the URL, and by the headers that the response there varies by. */
export async function findPlace(store: ResponseStore, request: ProxiedRequest): Promise<Place> {
  const key = store.keyOf(request.target);
  const first = await store.find(key);
  if (first === undefined) return { key, entry: undefined, reason: "uri-miss" };
  if (first.value.kind === "passed") return { key, entry: first, reason: "miss" };
  const variant = variantOf(first.value.vary, request);
  if (variant === first.value.variant) return { key, entry: first, reason: "miss" };
  const variantKey = store.variantKeyOf(key, variant);
  return { key: variantKey, entry: await store.find(variantKey), reason: "vary-miss" };
}

/** Undefined: what is there is no response to this request. */
export function toAged(entry: StoredEntry | undefined, request: ProxiedRequest): Aged | undefined {
  if (entry === undefined || entry.value.kind !== "response") return undefined;
  const response = entry.value;
  if (response.vary.length > 0 && variantOf(response.vary, request) !== response.variant) return undefined;
  return { response, ageMs: response.initialAgeMs + entry.ageMs, isStale: entry.stale };
}

export function hitStatus({ response, ageMs }: Aged, entry: StoredEntry | undefined): CacheStatus {
  const detail = entry?.source === "near" ? "near" : "remote";
  return { hit: true, ttlMs: response.lifetimeMs - ageMs, detail };
}
