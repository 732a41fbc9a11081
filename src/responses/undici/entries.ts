/** What undici's cache gives to its store and takes from it, and its form in the cache. Its types are undici's, without its package. */
import { createHash } from "node:crypto";
import { fromFrame, toFrame } from "../../http-proxy/rules/framed.ts";

export interface CacheKey {
  readonly origin: string;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Of the request, by names in lower case. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

export interface CacheValue {
  statusCode: number;
  statusMessage: string;
  headers: Record<string, string | string[]>;
  /** The headers of the request that have selected the response. */
  vary?: Record<string, string | string[] | null>;
  etag?: string;
  cacheControlDirectives?: object;
  /** Milliseconds since 1970, as the other two. */
  cachedAt: number;
  staleAt: number;
  deleteAt: number;
}

export interface CachedResponse extends CacheValue {
  cacheControlDirectives: object;
  body: Buffer[];
}

/** A response as it is stored. */
export interface StoredEntry {
  readonly value: CacheValue;
  /** When it was stored, by the clock of who has. */
  readonly storedAtMs: number;
  readonly body: Buffer;
}

const FORM = 3;
/** As the places of the proxy: variants of one URL beyond the first. */
const VARIANT_PLACES = 1_024;

export function encodeEntry({ value, storedAtMs, body }: StoredEntry): Buffer {
  return toFrame(FORM, { value, storedAtMs }, body);
}

/** Undefined for bytes that are no entry. */
export function decodeEntry(bytes: Buffer): StoredEntry | undefined {
  try {
    const { head, body } = fromFrame(FORM, bytes);
    const { value, storedAtMs } = head as Omit<StoredEntry, "body">;
    return typeof value === "object" && typeof storedAtMs === "number"
      ? { value, storedAtMs, body }
      : undefined;
  } catch {
    return undefined;
  }
}

/** The times of whoever reads it, whose clock may be another. */
export function toCached(
  { value, storedAtMs, body }: StoredEntry,
  ageMs: number,
  nowMs: number,
): CachedResponse {
  const aheadMs = nowMs - ageMs - storedAtMs;
  return {
    ...value,
    cacheControlDirectives: value.cacheControlDirectives ?? {},
    cachedAt: value.cachedAt + aheadMs,
    staleAt: value.staleAt + aheadMs,
    deleteAt: value.deleteAt + aheadMs,
    body: [body],
  };
}

export function isSelected({ value: { vary } }: StoredEntry, { headers }: CacheKey): boolean {
  return Object.entries(vary ?? {}).every(
    ([name, value]) => textOf(headers, name) === (value === null ? "" : String(value)),
  );
}

/** The place of the variant that the request selects, for a response that varies by these headers. */
export function variantPlace({ value: { vary } }: StoredEntry, { headers }: CacheKey): number {
  const hash = createHash("sha256");
  for (const name of Object.keys(vary ?? {}).sort()) {
    const text = textOf(headers, name);
    hash.update(`${text.length}:${text};`);
  }
  return hash.digest().readUInt16BE(0) % VARIANT_PLACES;
}

function textOf(headers: CacheKey["headers"], name: string): string {
  const value = headers !== undefined && Object.hasOwn(headers, name) ? headers[name] : undefined;
  return value === undefined ? "" : String(value);
}
