/** Text for people: makes foreign text safe for a terminal, and numbers, sizes and times easy to read. */

/**
 * C0 and C1 controls, DEL, the bidirectional overrides and the line separators. They can move the cursor of a
 * terminal, change its state, or reorder text.
 */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function escapeCharacter(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** `text` as one line, its unsafe characters escaped and unpaired surrogates replaced by U+FFFD. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(UNSAFE, escapeCharacter);
}

/** As `oneLine`, but keeps line ends and tabs. */
export function manyLines(text: string): string {
  return text
    .toWellFormed()
    .replace(UNSAFE, (character) => (/[\n\t]/.test(character) ? character : escapeCharacter(character)));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** `bytes` as text. Undefined when they are not UTF-8. */
export function toText(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** 1234567 -> "1,234,567". Without Intl, which takes longer to load than most commands take to run. */
export function toCount(value: number | bigint): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** 1 -> "1 shard", 16 -> "16 shards". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${toCount(value)} ${value === 1 ? one : many}`;
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** 1572864 -> "1.5 MiB". */
export function toSize(bytes: number): string {
  let value = bytes;
  let step = 0;
  while (value >= 1024 && step < SIZES.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${SIZES[step]}`;
}

/** "93.1 %", or "-" when the total is 0. */
export function toShare(part: number, total: number): string {
  return total === 0 ? "-" : `${((100 * part) / total).toFixed(1)} %`;
}

/** Rows with aligned columns, indented by two spaces. `right`: the columns to align on the right. */
export function toColumns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
}
