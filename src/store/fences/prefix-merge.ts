/** Which prefix fences become one when there are too many, and for which prefix. */
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";

export interface PrefixFence {
  readonly namespace: string;
  /** Empty: the whole namespace. */
  readonly prefix: string;
  readonly soft: boolean;
  readonly revision: number;
  readonly atMs: number;
}

/** A fence, and where it is. */
export interface StoredFence {
  readonly slot: number;
  readonly fence: PrefixFence;
}

/** The two of at least two fences whose merge covers least: those with the longest common prefix. */
export function mergeOf(fences: readonly StoredFence[]): readonly [StoredFence, StoredFence] {
  const sorted = fences.toSorted((one, other) => compare(one.fence, other.fence));
  let best: readonly [StoredFence, StoredFence] | undefined;
  let longest = -2;
  for (const [at, other] of sorted.entries()) {
    const one = sorted[at - 1];
    if (one === undefined) continue;
    const length = commonPrefix(one.fence, other.fence)?.length ?? -1;
    if (length <= longest) continue;
    best = [one, other];
    longest = length;
  }
  if (best === undefined) throw new RangeError("a merge takes two fences");
  return best;
}

/** `undefined`: they are of two namespaces. */
export function commonPrefix(one: PrefixFence, other: PrefixFence): string | undefined {
  if (one.namespace !== other.namespace) return undefined;
  let length = 0;
  while (length < one.prefix.length && one.prefix[length] === other.prefix[length]) length++;
  return withoutHalf(one.prefix.slice(0, length));
}

/** The prefix, or its beginning when it is longer than `maxBytes`: fewer characters match more keys. */
export function fittingPrefix(prefix: string, maxBytes: number): string {
  const isSurelyFitting = prefix.length * UTF8_MAX_BYTES_PER_UNIT <= maxBytes;
  if (isSurelyFitting || Buffer.byteLength(prefix) <= maxBytes) return prefix;
  return withoutHalf(prefix.slice(0, Math.floor(maxBytes / UTF8_MAX_BYTES_PER_UNIT)));
}

function compare(one: PrefixFence, other: PrefixFence): number {
  if (one.namespace !== other.namespace) return one.namespace < other.namespace ? -1 : 1;
  if (one.prefix === other.prefix) return 0;
  return one.prefix < other.prefix ? -1 : 1;
}

/** Without a last half of a surrogate pair, which could not be encoded. */
function withoutHalf(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
