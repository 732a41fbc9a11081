/** What Next.js gives to a cache handler and takes from it, and its form in the cache. Its types are those of Next.js, without its package. */
import { createHash } from "node:crypto";
import { fromFrame, toFrame } from "../../http-proxy/rules/framed.ts";

/** As Next.js' `CacheEntry`. */
export interface CacheEntry {
  readonly value: ReadableStream<Uint8Array>;
  readonly tags: string[];
  /** Seconds, as the other two durations. */
  readonly stale: number;
  /** When its generation began, in milliseconds since 1970. */
  readonly timestamp: number;
  readonly expire: number;
  readonly revalidate: number;
}

/** An entry as it is stored. */
export interface StoredEntry {
  readonly tags: readonly string[];
  readonly stale: number;
  readonly expire: number;
  readonly revalidate: number;
  /** How long it was generated before it was stored, by the clock of who has: milliseconds. */
  readonly generatedForMs: number;
  /** Where the value is that is too large for one entry. */
  readonly parts?: { readonly id: string; readonly count: number };
}

const ENTRY_FORM = 5;
/** Less than what a server takes for a value unless configured otherwise, with room for the head. */
export const PART_BYTES = 512 * 1024;

export function encodeEntry(head: StoredEntry, body: Uint8Array): Buffer {
  return toFrame(ENTRY_FORM, head, body);
}

/** Undefined for bytes that are no entry. */
export function decodeEntry(
  bytes: Buffer,
): { readonly head: StoredEntry; readonly body: Buffer } | undefined {
  try {
    const { head, body } = fromFrame(ENTRY_FORM, bytes);
    const { tags, stale, expire, revalidate, generatedForMs } = head as StoredEntry;
    const isEntry =
      Array.isArray(tags) &&
      [stale, expire, revalidate, generatedForMs].every((one) => typeof one === "number");
    return isEntry ? { head: head as StoredEntry, body } : undefined;
  } catch {
    return undefined;
  }
}

/** Parts have the name of what they are parts of, so they never mix. */
export function partsOf(value: Buffer): { readonly id: string; readonly parts: readonly Buffer[] } {
  const parts: Buffer[] = [];
  for (let from = 0; from < value.length; from += PART_BYTES)
    parts.push(value.subarray(from, from + PART_BYTES));
  return { id: createHash("sha256").update(value).digest("hex"), parts };
}
