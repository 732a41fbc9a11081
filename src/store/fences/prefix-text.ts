/** Fences of prefixes as texts: their order, and what two of them have in common. */
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";
import { NOTHING_COMMON } from "./fence-order.ts";

export interface PrefixFence {
  /** Empty: that of the record, which one namespace has to itself. */
  readonly namespace: string;
  /** Empty: the whole namespace. */
  readonly prefix: string;
  readonly soft: boolean;
  readonly revision: number;
  readonly atMs: number;
}

/** By namespace, and then by prefix. */
export function isBefore(one: PrefixFence, other: PrefixFence): boolean {
  if (one.namespace !== other.namespace) return one.namespace < other.namespace;
  return one.prefix < other.prefix;
}

/** The length of the longest prefix of both. A pair of surrogates is in it as a whole or not at all. */
export function commonLength(one: PrefixFence, other: PrefixFence): number {
  if (one.namespace !== other.namespace) return NOTHING_COMMON;
  const { prefix } = one;
  let length = 0;
  while (length < prefix.length && prefix.charCodeAt(length) === other.prefix.charCodeAt(length)) length++;
  return withoutHalf(prefix, length);
}

/** The prefix, or its beginning when it is longer than `maxBytes`: fewer characters match more keys. */
export function fittingPrefix(prefix: string, maxBytes: number): string {
  const isSurelyFitting = prefix.length * UTF8_MAX_BYTES_PER_UNIT <= maxBytes;
  if (isSurelyFitting || Buffer.byteLength(prefix) <= maxBytes) return prefix;
  return prefix.slice(0, withoutHalf(prefix, Math.floor(maxBytes / UTF8_MAX_BYTES_PER_UNIT)));
}

/** The length without a last half of a surrogate pair, which could not be encoded. */
function withoutHalf(text: string, length: number): number {
  return length > 0 && (text.charCodeAt(length - 1) & 0xfc00) === 0xd800 ? length - 1 : length;
}
