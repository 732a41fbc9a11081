/** The value of a counter: an int64 as decimal text in ASCII, in its shortest form. */
import { Buffer } from "node:buffer";

/** The length of the smallest int64. */
const MAX_BYTES = 20;
/** Of a shorter text, the value is exact as a number, which takes a fraction of the time of a bigint. */
const NUMBER_MAX_BYTES = 15;
const NUMBER_LIMIT = 1e15;

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/** Undefined: the bytes are no counter. `bytes` is read only when it is as short as a counter. */
export function readCounter(entry: {
  readonly absent: boolean;
  readonly contentEncoding: string;
  readonly valueBytes: number;
  readonly value: Uint8Array;
}): bigint | undefined {
  const { absent, valueBytes } = entry;
  if (absent || valueBytes === 0 || valueBytes > MAX_BYTES) return undefined;
  if (entry.contentEncoding !== "") return undefined;
  const bytes = entry.value;
  if (!isCanonical(bytes)) return undefined;
  if (bytes.length <= NUMBER_MAX_BYTES) return BigInt(toNumber(bytes));
  const value = BigInt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"));
  return isInt64(value) ? value : undefined;
}

const digits = new Uint8Array(MAX_BYTES);
/** The last bytes of `digits`, by how many they are. */
const endings = Array.from({ length: MAX_BYTES + 1 }, (_, bytes) => digits.subarray(MAX_BYTES - bytes));

/** The bytes are valid until the next call. */
export function writeCounter(value: bigint): Uint8Array {
  if (value >= NUMBER_LIMIT || value <= -NUMBER_LIMIT) return Buffer.from(String(value), "latin1");
  const number = Number(value);
  let at = MAX_BYTES;
  let rest = Math.abs(number);
  do {
    const shorter = Math.floor(rest / 10);
    digits[--at] = ZERO + rest - shorter * 10;
    rest = shorter;
  } while (rest > 0);
  if (number < 0) digits[--at] = MINUS;
  return endings[MAX_BYTES - at] ?? digits;
}

export function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** "0", or digits that do not begin with 0 and may have a sign before them. */
function isCanonical(bytes: Uint8Array): boolean {
  const isNegative = bytes[0] === MINUS;
  const first = isNegative ? 1 : 0;
  if (bytes[first] === ZERO) return bytes.length === 1;
  for (let at = first; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte < ZERO || byte > NINE) return false;
  }
  return bytes.length > first;
}

/** Of canonical bytes. */
function toNumber(bytes: Uint8Array): number {
  const isNegative = bytes[0] === MINUS;
  let number = 0;
  for (let at = isNegative ? 1 : 0; at < bytes.length; at++) number = number * 10 + (bytes[at] ?? 0) - ZERO;
  return isNegative ? -number : number;
}
