/** Counters as Increment keeps them: whole numbers of 64 bits as decimal text. */

const COUNTER = /^(?:0|-?[1-9][0-9]{0,18})$/;

/** The counter that the bytes of a value are. Undefined: they are none. */
export function toCounter(bytes: Uint8Array): bigint | undefined {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 21));
  return COUNTER.test(text) ? inRange(BigInt(text)) : undefined;
}

/** What a person types to be added. Undefined: it is no whole number of 64 bits. */
export function toDelta(text: string): bigint | undefined {
  const typed = text.trim();
  return /^[+-]?[0-9]{1,30}$/.test(typed) ? inRange(BigInt(typed.replace(/^\+/, ""))) : undefined;
}

const inRange = (value: bigint): bigint | undefined =>
  BigInt.asIntN(64, value) === value ? value : undefined;
