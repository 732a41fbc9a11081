/** The bytes of a value as text, as JSON and in hexadecimal. */
import { manyLines, toText } from "../../cli/output/text.ts";

export type ValueForm = "json" | "text" | "hex";

/** More would make the page slow; a value is at most 64 MiB. */
export const SHOWN_MAX_BYTES = 64 * 1024;
const ROW_BYTES = 16;

/** The forms that the bytes have, the best one first. */
export function formsOf(bytes: Uint8Array): readonly ValueForm[] {
  const text = toText(bytes);
  if (text === undefined) return ["hex"];
  return parseJson(text) === undefined ? ["text", "hex"] : ["json", "text", "hex"];
}

/** `bytes` in a form of `formsOf`, cut at `SHOWN_MAX_BYTES`. */
export function showValue(bytes: Uint8Array, form: ValueForm): string {
  switch (form) {
    case "hex":
      return toHexRows(bytes.subarray(0, SHOWN_MAX_BYTES));
    case "json":
      return cut(JSON.stringify(parseJson(toText(bytes) ?? "")?.value, undefined, 2) ?? "");
    case "text":
      return cut(toText(bytes) ?? "");
    default:
      return form satisfies never;
  }
}

const cut = (text: string): string => manyLines(text.slice(0, SHOWN_MAX_BYTES));

/** A number alone is shown as text: as JSON it could lose digits. */
function parseJson(text: string): { readonly value: unknown } | undefined {
  if (!/^\s*[[{"]/.test(text)) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** Rows of an offset, 16 bytes and their printable ASCII characters. */
function toHexRows(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += ROW_BYTES) {
    const row = bytes.subarray(offset, offset + ROW_BYTES);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, "0"));
    const text = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    const columns = `${hex.slice(0, 8).join(" ").padEnd(23)}  ${hex.slice(8).join(" ").padEnd(23)}`;
    rows.push(`${offset.toString(16).padStart(6, "0")}  ${columns}  ${text.join("")}`);
  }
  return rows.join("\n");
}
