/** Output for programs: one JSON object per line, 64-bit ids as strings, bytes as base64. */
import { toText } from "./text.ts";

/** Characters that JSON.stringify does not escape, and that control a terminal or end a line. */
const RAW = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One line of JSON. Characters that control a terminal are escaped, which does not change their meaning. */
export function toJsonLine(value: object): string {
  const json = JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "bigint" ? member.toString() : member,
  );
  return json.replace(RAW, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The bytes as base64 in `value`, and as `text` too when they are UTF-8. */
export function toJsonBytes(bytes: Uint8Array): { value: string; text?: string } {
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  const text = toText(bytes);
  return text === undefined ? { value } : { value, text };
}
