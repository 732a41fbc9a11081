/**
 * Looks through JSON text without building anything of it: where it breaks the grammar (RFC 8259), and how many values it
 * has. So a text can be checked, and refused for what parsing it would cost, before anybody parses it.
 */

export interface JsonScan {
  /** The offset in bytes of the first fault; the length of the text where it ends too early. Undefined: it is JSON. */
  readonly faultAt: number | undefined;
  /** Objects, arrays, texts, numbers and words, up to the fault. The names of members do not count. */
  readonly values: number;
}

/** Deeper text is a fault where it becomes so: readers of JSON give up at some depth, and none says at which. */
export const JSON_MAX_DEPTH = 1_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
/** Behind a backslash: `"\/bfnrt`. */
const ESCAPED: ReadonlySet<number> = new Set([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]);
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const WORDS: ReadonlyMap<number, readonly number[]> = new Map(
  ["true", "false", "null"].map((word) => [word.charCodeAt(0), Array.from(word, (one) => one.charCodeAt(0))]),
);

/** `bytes`: what should be the UTF-8 of one JSON text. Bytes that are no UTF-8 are a fault too. */
export function scanJson(bytes: Uint8Array): JsonScan {
  const scan = new Scan(bytes);
  const isWhole = scan.text();
  return { faultAt: isWhole ? undefined : scan.at, values: scan.values };
}

class Scan {
  readonly #bytes: Uint8Array;
  at = 0;
  values = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Each method returns false at a fault, with `at` on it. */
  text(): boolean {
    /** Of the objects and arrays that are open: the byte that closes each. */
    const open: number[] = [];
    this.#spaces();
    if (!this.#begin(open)) return false;
    while (open.length > 0) {
      if (!this.#goOn(open)) return false;
    }
    this.#spaces();
    return this.at === this.#bytes.length;
  }

  /** The beginning of a value: all of it, but of an object or array with content, its first member. */
  #begin(open: number[]): boolean {
    for (;;) {
      this.values += 1;
      const first = this.#bytes[this.at];
      if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) return this.#scalar(first);
      if (open.length >= JSON_MAX_DEPTH) return false;
      this.at += 1;
      this.#spaces();
      const close = first === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
      if (this.#take(close)) return true;
      open.push(close);
      if (close === CLOSE_OBJECT && !this.#name()) return false;
    }
  }

  /** Behind a value within an object or array. */
  #goOn(open: number[]): boolean {
    this.#spaces();
    const close = open[open.length - 1];
    if (close === undefined) return false;
    if (this.#take(close)) {
      open.pop();
      return true;
    }
    if (!this.#take(COMMA)) return false;
    this.#spaces();
    if (close === CLOSE_OBJECT && !this.#name()) return false;
    return this.#begin(open);
  }

  /** The name of a member, and all up to its value. */
  #name(): boolean {
    if (this.#bytes[this.at] !== QUOTE || !this.#string()) return false;
    this.#spaces();
    if (!this.#take(COLON)) return false;
    this.#spaces();
    return true;
  }

  #scalar(first: number | undefined): boolean {
    if (first === undefined) return false;
    if (first === QUOTE) return this.#string();
    const word = WORDS.get(first);
    return word === undefined ? this.#number() : word.every((byte) => this.#take(byte));
  }

  #string(): boolean {
    this.at += 1;
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === undefined || byte < 0x20) return false;
      if (byte === QUOTE) {
        this.at += 1;
        return true;
      }
      if (byte === BACKSLASH) {
        if (!this.#escape()) return false;
      } else if (byte < 0x80) this.at += 1;
      else if (!this.#character(byte)) return false;
    }
  }

  #escape(): boolean {
    this.at += 1;
    const byte = this.#bytes[this.at];
    if (byte === undefined) return false;
    if (byte !== LOWER_U) {
      if (!ESCAPED.has(byte)) return false;
      this.at += 1;
      return true;
    }
    for (let digit = 0; digit < 4; digit += 1) {
      this.at += 1;
      if (!isHexadecimal(this.#bytes[this.at])) return false;
    }
    this.at += 1;
    return true;
  }

  /** A character of several bytes, by the table of well-formed ones (Unicode, table 3-7). */
  #character(first: number): boolean {
    const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) return false;
    const second = this.#bytes[this.at + 1] ?? 0;
    const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (second < least || second > most) return false;
    for (let index = 2; index < length; index += 1) {
      const next = this.#bytes[this.at + index] ?? 0;
      if (next < 0x80 || next > 0xbf) return false;
    }
    this.at += length;
    return true;
  }

  #number(): boolean {
    this.#take(MINUS);
    if (!this.#take(ZERO) && !this.#digits()) return false;
    if (this.#take(POINT) && !this.#digits()) return false;
    // "E" differs from "e" in one bit.
    if (((this.#bytes[this.at] ?? 0) | 0x20) !== LOWER_E) return true;
    this.at += 1;
    if (!this.#take(PLUS)) this.#take(MINUS);
    return this.#digits();
  }

  /** At least one. */
  #digits(): boolean {
    const from = this.at;
    while (isDigit(this.#bytes[this.at])) this.at += 1;
    return this.at > from;
  }

  #take(byte: number): boolean {
    if (this.#bytes[this.at] !== byte) return false;
    this.at += 1;
    return true;
  }

  #spaces(): void {
    while (SPACES.has(this.#bytes[this.at] ?? 0)) this.at += 1;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

function isHexadecimal(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const letter = byte | 0x20;
  return isDigit(byte) || (letter >= 0x61 && letter <= 0x66);
}
