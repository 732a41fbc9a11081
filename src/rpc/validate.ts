/**
 * Checks the fields that several requests share, and converts 64-bit integers to numbers.
 *
 * Each function returns the value for the store, or throws FIELD_INVALID, which names the field of the proto and its
 * bound. Text is well-formed, since the decoder refuses anything but UTF-8.
 */
import { Buffer } from "node:buffer";
import { fieldInvalid } from "../common/errors.ts";
import { CONTENT_ENCODING_MAX_BYTES } from "../common/name-limits.ts";
import type { Limits } from "./limits.ts";

const NAMESPACE = /^[a-z0-9][a-z0-9._-]*$/;
const PLAIN_NAME = /^[A-Za-z0-9._-]*$/;
const LIBRARY_MAX_BYTES = 64;
const CONTENT_CODING = /^(?!identity$)[a-z0-9][a-z0-9._+-]*$/;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
/** The most bytes of UTF-8 that one UTF-16 code unit takes. */
const BYTES_PER_UNIT_MAX = 3;

/** Whether `text` has at most `maxBytes` of UTF-8. Counts them only when its length does not decide. */
function fits(text: string, maxBytes: number): boolean {
  if (text.length * BYTES_PER_UNIT_MAX <= maxBytes) return true;
  return text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes;
}

/** The last valid namespace: consecutive operations have nearly always the same. */
let recentNamespace = "";

/** The namespace of a request: `own`, or if that is empty, the `fallback` of its batch. */
export function checkNamespace(own: string, fallback: string, limits: Limits): string {
  const namespace = own === "" ? fallback : own;
  const wellFormed = namespace !== "" && (namespace === recentNamespace || NAMESPACE.test(namespace));
  if (wellFormed) recentNamespace = namespace;
  if (namespace.length > limits.namespaceMaxBytes || !wellFormed) {
    throw fieldInvalid("namespace", `1 to ${limits.namespaceMaxBytes} bytes of [a-z0-9._-], [a-z0-9] first`);
  }
  return namespace;
}

export function checkKey(key: string, limits: Limits, field = "key"): string {
  if (key === "" || !fits(key, limits.keyMaxBytes)) {
    throw fieldInvalid(field, `1 to ${limits.keyMaxBytes} bytes of UTF-8`);
  }
  return key;
}

export function checkTags(tags: readonly string[], minTags: number, maxTags: number, limits: Limits) {
  if (tags.length < minTags || tags.length > maxTags) {
    throw fieldInvalid("tags", `${minTags} to ${maxTags} tags`);
  }
  for (const tag of tags) {
    if (tag === "" || !fits(tag, limits.tagMaxBytes)) {
      throw fieldInvalid("tags", `tags of 1 to ${limits.tagMaxBytes} bytes of UTF-8`);
    }
  }
  return tags;
}

export function checkContentType(contentType: string, limits: Limits): string {
  if (contentType.length > limits.contentTypeMaxBytes || !PRINTABLE_ASCII.test(contentType)) {
    throw fieldInvalid("content_type", `0 to ${limits.contentTypeMaxBytes} printable ASCII bytes`);
  }
  return contentType;
}

/** Its bound is the contract's, as that of a library: encodings have the names that HTTP gives them. */
export function checkContentEncoding(request: {
  readonly contentEncoding: string;
  readonly absent: boolean;
}): string {
  const { contentEncoding, absent } = request;
  if (contentEncoding === "") return contentEncoding;
  if (absent) throw fieldInvalid("content_encoding", "empty when absent");
  if (contentEncoding.length > CONTENT_ENCODING_MAX_BYTES || !CONTENT_CODING.test(contentEncoding)) {
    const bound = `0 to ${CONTENT_ENCODING_MAX_BYTES} bytes of [a-z0-9._+-], [a-z0-9] first, and not "identity"`;
    throw fieldInvalid("content_encoding", bound);
  }
  return contentEncoding;
}

/** `field`: "client_id" in a message, "meshcache-client-id" in metadata. */
export function checkClientId(clientId: string, limits: Limits, field: string): string {
  return checkPlainName(clientId, limits.clientIdMaxBytes, field);
}

/** What a client says of its library. Its bound is the contract's: no setting changes what every client sends. */
export function checkLibrary(text: string, field: "library" | "library_version"): string {
  return checkPlainName(text, LIBRARY_MAX_BYTES, field);
}

function checkPlainName(name: string, maxBytes: number, field: string): string {
  if (name.length > maxBytes || !PLAIN_NAME.test(name)) {
    throw fieldInvalid(field, `0 to ${maxBytes} bytes of [A-Za-z0-9._-]`);
  }
  return name;
}

export function checkCursor(cursor: Uint8Array, limits: Limits): Uint8Array {
  if (cursor.length > limits.cursorMaxBytes) throw fieldInvalid("cursor", "a cursor that a server sent");
  return cursor;
}

/** A uint64 that the store keeps as a number: at most `max`. */
export function fromUint64(value: bigint, field: string, max = Number.MAX_SAFE_INTEGER): number {
  if (value > max) throw fieldInvalid(field, `at most ${max}`);
  return Number(value);
}

/** The two lifetimes of an entry, in milliseconds. */
export function fromLifetimes(request: { readonly ttlMs: bigint; readonly staleMs: bigint }, limits: Limits) {
  const ttlMs = fromUint64(request.ttlMs, "ttl_ms", limits.lifetimeMaxMs);
  const staleMs = fromUint64(request.staleMs, "stale_ms", limits.lifetimeMaxMs);
  if (ttlMs === 0 && staleMs !== 0) throw fieldInvalid("stale_ms", "0 when ttl_ms is 0");
  return { ttlMs, staleMs };
}
