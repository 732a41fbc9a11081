/** One range of bytes of a stored response (RFC 9110, 14). Several at once are answered with the whole, as 14.2 permits. */

export type Range =
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
