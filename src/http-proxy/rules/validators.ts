/** Validators (RFC 9110, 8.8 and 13): how a stored response is confirmed, and whether a client has it already. */
import { fieldOf, linesOf, listItems, type RawHeaders } from "./header-fields.ts";
import { parseHttpDate } from "./http-date.ts";

const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/** The headers that ask the origin whether a response is still current. Empty: it has no validator. */
export function validatingHeaders(headers: RawHeaders): string[] {
  const asked: string[] = [];
  const [etag] = linesOf(headers, "etag");
  const [modified] = linesOf(headers, "last-modified");
  if (etag !== undefined) asked.push("if-none-match", etag);
  if (modified !== undefined) asked.push("if-modified-since", modified);
  return asked;
}

export interface Preconditions {
  readonly "if-none-match"?: string | undefined;
  readonly "if-modified-since"?: string | undefined;
}

/** Whether the client has this response: it gets a 304. If-None-Match alone decides where there is one. */
export function isNotModified(headers: RawHeaders, request: Preconditions, nowMs: number): boolean {
  const noneMatch = request["if-none-match"];
  if (noneMatch !== undefined) return matchesAny(noneMatch, fieldOf(headers, "etag"));
  const sinceMs = parseHttpDate(request["if-modified-since"], nowMs);
  if (sinceMs === undefined) return false;
  const text = fieldOf(headers, "last-modified") ?? fieldOf(headers, "date");
  const modifiedMs = parseHttpDate(text, nowMs);
  return modifiedMs !== undefined && modifiedMs <= sinceMs;
}

/** Of If-Range: the strong comparison (RFC 9110, 13.1.5). */
export function isSameRange(headers: RawHeaders, ifRange: string): boolean {
  if (ENTITY_TAG.test(ifRange)) return !ifRange.startsWith("W/") && ifRange === fieldOf(headers, "etag");
  return ifRange === fieldOf(headers, "last-modified");
}

/** The weak comparison (RFC 9110, 8.8.3.2). */
function matchesAny(noneMatch: string, etag: string | undefined): boolean {
  if (etag === undefined) return false;
  if (noneMatch === "*") return true;
  const opaque = withoutWeakness(etag);
  return listItems(noneMatch).some((one) => withoutWeakness(one) === opaque);
}

function withoutWeakness(etag: string): string {
  return etag.startsWith("W/") ? etag.slice(2) : etag;
}
