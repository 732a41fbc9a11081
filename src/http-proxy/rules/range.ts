/** One range of bytes of a stored response (RFC 9110, 14). Several at once are answered with the whole, as 14.2 permits. */

import type { StoredResponse } from "./stored-response.ts";
import { isSameRange } from "./validators.ts";

type Range =
  /** The range is not one that is understood: the whole is the answer. */
  | undefined
  | "unsatisfiable"
  /** Both ends are in it. */
  | { readonly first: number; readonly last: number };

const RANGE = /^bytes=[ \t]*(\d{1,15})?-(\d{1,15})?[ \t]*$/i;

export function toRange(header: string, length: number): Range {
  const match = RANGE.exec(header);
  if (match === null) return undefined;
  const [, from, to] = match;
  if (from === undefined) {
    if (to === undefined) return undefined;
    const count = Math.min(Number(to), length);
    return count === 0 ? "unsatisfiable" : { first: length - count, last: length - 1 };
  }
  const first = Number(from);
  const last = to === undefined ? length - 1 : Number(to);
  if (last < first && to !== undefined) return undefined;
  return first < length ? { first, last: Math.min(last, length - 1) } : "unsatisfiable";
}

/** What a request for a range is answered with. */
export interface Part {
  readonly status: number;
  readonly statusMessage: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/** Undefined: the whole is the answer, also where `ifRange` names another response. */
export function toPart(
  { headers, body }: StoredResponse,
  range: string | undefined,
  ifRange: string | undefined,
): Part | undefined {
  if (range === undefined || (ifRange !== undefined && !isSameRange(headers, ifRange))) return undefined;
  const found = toRange(range, body.length);
  if (found === undefined) return undefined;
  const isThere = found !== "unsatisfiable";
  const part = isThere ? body.slice(found.first, found.last + 1) : "";
  const bounds = isThere ? `${found.first}-${found.last}` : "*";
  return {
    status: isThere ? 206 : 416,
    statusMessage: isThere ? "Partial Content" : "Range Not Satisfiable",
    headers: ["content-range", `bytes ${bounds}/${body.length}`, "content-length", String(part.length)],
    body: part,
  };
}
