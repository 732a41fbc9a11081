/** Writes header blocks that use the dynamic table (RFC 7541). Its caller chooses how each field is written. */
import type { HeaderField } from "../../src/http2/hpack.ts";
import { STATIC_TABLE } from "../../src/http2/static-table.ts";

/** "indexed" where the field is in a table, and else as "added". */
export type Form = "indexed" | "added" | "plain" | "never";

const LITERALS = { added: [0x40, 0x3f], plain: [0x00, 0x0f], never: [0x10, 0x0f] } as const;

export class HpackEncoder {
  /** The newest first. */
  #table: HeaderField[] = [];
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get table(): readonly HeaderField[] {
    return this.#table;
  }

  resize(maxBytes: number): Buffer {
    this.#maxBytes = maxBytes;
    this.#evict();
    return integer(0x20, 0x1f, maxBytes);
  }

  /** `namesByIndex`: where the name is in a table. */
  field(field: HeaderField, form: Form, namesByIndex: boolean): Buffer {
    const [name, value] = field;
    const all = [...STATIC_TABLE, ...this.#table];
    const index = all.findIndex(([oneName, oneValue]) => oneName === name && oneValue === value) + 1;
    if (form === "indexed" && index > 0) return integer(0x80, 0x7f, index);
    const literal = form === "indexed" ? "added" : form;
    const [pattern, mask] = LITERALS[literal];
    // The last one: of the dynamic table, and about to be evicted.
    const nameIndex = namesByIndex ? all.findLastIndex(([oneName]) => oneName === name) + 1 : 0;
    if (literal === "added") {
      this.#table = [field, ...this.#table];
      this.#evict();
    }
    const named = integer(pattern, mask, nameIndex);
    return Buffer.concat(nameIndex === 0 ? [named, text(name), text(value)] : [named, text(value)]);
  }

  #evict(): void {
    while (countedBytes(this.#table) > this.#maxBytes) this.#table = this.#table.slice(0, -1);
  }
}

export function countedBytes(fields: readonly HeaderField[]): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
}

export function integer(pattern: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.of(pattern | value);
  const bytes = [pattern | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Buffer.from([...bytes, rest]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(0, 0x7f, bytes.length), bytes]);
}
