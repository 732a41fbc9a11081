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
const SHORTEST_BITS = 5;
const PADDING_MAX_BITS = 7;

/** Four bits are read at once: no code is as short, so they end one at most. */
const NIBBLE = 16;
const NO_SYMBOL = -1;
const FAULT = -2;

/** A node of the tree of codes that has not come to a symbol yet. */
interface Node {
  readonly at: number;
  readonly next: (Node | number | undefined)[];
}

interface Automaton {
  /** By node and nibble: the node that follows. */
  readonly next: Uint8Array;
  /** By node and nibble: the symbol that ends, NO_SYMBOL or FAULT. */
  readonly symbols: Int16Array;
  /** The nodes in which a string may end: it is padded with the beginning of the end of a string, which is all ones. */
  readonly ends: readonly boolean[];
}

const { next: NEXT, symbols: SYMBOLS, ends: ENDS } = createAutomaton();

function createAutomaton(): Automaton {
  const nodes = treeOfCodes();
  const [root] = nodes;
  if (root === undefined) throw new Error("the tree has a root");
  const next = new Uint8Array(nodes.length * NIBBLE);
  const symbols = new Int16Array(nodes.length * NIBBLE).fill(NO_SYMBOL);
  for (const start of nodes) {
    for (let nibble = 0; nibble < NIBBLE; nibble++) {
      const entry = start.at * NIBBLE + nibble;
      let node = start;
      for (let bit = 3; bit >= 0; bit--) {
        const following = node.next[(nibble >> bit) & 1];
        if (typeof following === "object") node = following;
        else {
          symbols[entry] = following === undefined || following === END_OF_STRING ? FAULT : following;
          node = root;
        }
      }
      next[entry] = node.at;
    }
  }
  const ends = nodes.map(() => false);
  let padding: Node | number | undefined = root;
  for (let bits = 0; bits <= PADDING_MAX_BITS && typeof padding === "object"; bits++) {
    ends[padding.at] = true;
    padding = padding.next[1];
  }
  return { next, symbols, ends };
}

/** The first one is the root. */
function treeOfCodes(): readonly Node[] {
  const nodes: Node[] = [{ at: 0, next: [] }];
  let code = 0;
  for (let bits = 1; bits <= LONGEST_BITS; bits++) {
    code *= 2;
    for (const [symbol, codeBits] of CODE_BITS.entries()) {
      if (codeBits === bits) insert(nodes, code++, bits, symbol);
    }
  }
  return nodes;
}

function insert(nodes: Node[], code: number, bits: number, symbol: number): void {
  let [node] = nodes;
  for (let at = bits - 1; at > 0 && node !== undefined; at--) {
    const bit = (code >> at) & 1;
    let following: Node | number | undefined = node.next[bit];
    if (typeof following !== "object") {
      following = { at: nodes.length, next: [] };
      nodes.push(following);
      node.next[bit] = following;
    }
    node = following;
  }
  if (node !== undefined) node.next[code & 1] = symbol;
}

/** The bytes as Latin-1 text; undefined: they are no coded string. */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
  const decoded = Buffer.allocUnsafe(Math.ceil((bytes.length * 8) / SHORTEST_BITS));
  let length = 0;
  let node = 0;
  for (let at = 0; at < 2 * bytes.length; at++) {
    const byte = bytes[at >> 1] ?? 0;
    const entry = node * NIBBLE + ((at & 1) === 0 ? byte >> 4 : byte & 0xf);
    const symbol = SYMBOLS[entry] ?? FAULT;
    if (symbol === FAULT) return undefined;
    if (symbol !== NO_SYMBOL) decoded[length++] = symbol;
    node = NEXT[entry] ?? 0;
  }
  return ENDS[node] === true ? decoded.toString("latin1", 0, length) : undefined;
}
