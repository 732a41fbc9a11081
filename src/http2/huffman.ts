/** Huffman-coded strings of HPACK (RFC 7541, section 5.2 and appendix B). */

import { Buffer } from "node:buffer";

/** The length in bits of the code of each byte, and last that of the end of a string. The codes are canonical, so their lengths define them. */
const CODE_BITS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const END_OF_STRING = 256;
const LONGEST_BITS = 30;
const PADDING_MAX_BITS = 7;

interface CodesOfLength {
  /** The least code of this length. */
  readonly first: number;
  /** By code, from the least. */
  readonly symbols: readonly number[];
}

/** By length. */
const CODES = codesByLength();

function codesByLength(): readonly CodesOfLength[] {
  const codes: CodesOfLength[] = [];
  let next = 0;
  for (let bits = 0; bits <= LONGEST_BITS; bits++) {
    const symbols = CODE_BITS.flatMap((codeBits, symbol) => (codeBits === bits ? [symbol] : []));
    codes.push({ first: next, symbols });
    next = (next + symbols.length) * 2;
  }
  return codes;
}

/** The bytes as Latin-1 text; undefined: they are no coded string. */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
  const decoded: number[] = [];
  let code = 0;
  let bits = 0;
  for (const byte of bytes) {
    for (let at = 7; at >= 0; at--) {
      code = code * 2 + ((byte >> at) & 1);
      bits += 1;
      const { first, symbols } = CODES[bits] ?? { first: 0, symbols: [] };
      const symbol = symbols[code - first];
      if (symbol === undefined) {
        if (bits === LONGEST_BITS) return undefined;
        continue;
      }
      if (symbol === END_OF_STRING) return undefined;
      decoded.push(symbol);
      code = 0;
      bits = 0;
    }
  }
  // Padded with the beginning of the end of a string, which is all ones.
  if (bits > PADDING_MAX_BITS || code !== 2 ** bits - 1) return undefined;
  return Buffer.from(decoded).toString("latin1");
}
