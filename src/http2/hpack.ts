/** Headers, and the header blocks (RFC 7541) that this side writes: without a dynamic table. */
import { Buffer } from "node:buffer";
import { STATIC_TABLE } from "./static-table.ts";

export type Headers = Readonly<Record<string, string>>;
export type HeaderField = readonly [name: string, value: string];

/** As node:http2 takes them: an array of values stands for as many headers. */
type OutgoingHeaders = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface HeaderLimits {
  /** The bytes of names and values, and 32 for each pair, as HTTP/2 counts a list of headers. */
  readonly maxBytes: number;
  readonly maxPairs: number;
}

/** What a pair counts beside the bytes of its name and its value: in a list of headers, and in a dynamic table. */
export const PAIR_BYTES = 32;

/** The indices of the static table, from 1 on. */
const staticPairs = new Map(STATIC_TABLE.map(([name, value], at) => [`${name}\n${value}`, at + 1]));
/** The first one of each name. */
const staticNames = new Map(STATIC_TABLE.map(([name], at) => [name, at + 1] as const).reverse());

/** A dynamic table size update to 0: a writer whose reader has lowered the size must confirm it (RFC 7541, section 4.2). */
const NO_TABLE = Buffer.of(0x20);

/** Names and values are ASCII. Pseudo-headers come first, wherever they are (RFC 9113, section 8.3). */
export function encodeHeaders(headers: OutgoingHeaders): Buffer {
  const pseudo: Buffer[] = [NO_TABLE];
  const regular: Buffer[] = [];
  for (const [name, values] of Object.entries(headers)) {
    if (values === undefined) continue;
    const literals = name.startsWith(":") ? pseudo : regular;
    for (const value of typeof values === "object" ? values : [values]) {
      literals.push(encodeField(name, String(value)));
    }
  }
  return Buffer.concat([...pseudo, ...regular]);
}

/** An indexed field, or a literal without indexing. */
function encodeField(name: string, value: string): Buffer {
  const pair = staticPairs.get(`${name}\n${value}`);
  if (pair !== undefined) return Buffer.of(0x80 | pair);
  const index = staticNames.get(name);
  if (index === undefined) return Buffer.concat([Buffer.of(0), encodeText(name), encodeText(value)]);
  const head = index < 0x0f ? Buffer.of(index) : Buffer.of(0x0f, index - 0x0f);
  return Buffer.concat([head, encodeText(value)]);
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  if (bytes.length < 0x7f) length.push(bytes.length);
  else {
    length.push(0x7f);
    let rest = bytes.length - 0x7f;
    for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** Joins the values of a repeated header as node:http2 does: a cookie may come in pieces (RFC 9113, section 8.2.3). */
export function toHeaders(fields: readonly HeaderField[]): Headers {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of fields) {
    const former = headers[name];
    headers[name] = former === undefined ? value : `${former}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return headers;
}
