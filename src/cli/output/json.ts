/** Objects for programs: one JSON object a line, with 64-bit ids as strings and bytes as base64. */
import { toText } from "./text.ts";

/** What JSON.stringify leaves raw and a terminal or a line reader may act on. */
const RAW = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One line of JSON; what a terminal could act on is written as an escape, which means the same. */
export function toJsonLine(value: object): string {
  const json = JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "bigint" ? member.toString() : member,
  );
  return json.replace(RAW, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** `value` as base64, and `text` beside it when the bytes are UTF-8. */
export function toJsonBytes(bytes: Uint8Array): { value: string; text?: string } {
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  const text = toText(bytes);
  return text === undefined ? { value } : { value, text };
}
