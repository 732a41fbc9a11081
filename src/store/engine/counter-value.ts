/** The value of a counter: an int64 as decimal text in ASCII, in its shortest form. */
import { Buffer } from "node:buffer";

/** The length of the smallest int64. */
const MAX_BYTES = 20;

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/** Undefined: the bytes are no counter. `bytes` is read only when it is as short as a counter. */
export function readCounter(entry: {
  readonly absent: boolean;
  readonly valueBytes: number;
  readonly value: Uint8Array;
}): bigint | undefined {
  const { absent, valueBytes } = entry;
  if (absent || valueBytes === 0 || valueBytes > MAX_BYTES) return undefined;
  const bytes = entry.value;
  if (!isCanonical(bytes)) return undefined;
  const value = BigInt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"));
  return isInt64(value) ? value : undefined;
}

export function writeCounter(value: bigint): Uint8Array {
  return Buffer.from(String(value), "latin1");
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
