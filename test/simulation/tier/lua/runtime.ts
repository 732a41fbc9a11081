/** What compiled Lua runs on. nil is `undefined`, a string has a character for each byte. */
import { packStruct, unpackStruct } from "./struct.ts";

/** The values of a call that returned several. */
export class Many {
  readonly values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}

export class Table {
  readonly list: unknown[] = [];
  readonly fields = new Map<unknown, unknown>();

  get(key: unknown): unknown {
    return typeof key === "number" && key >= 1 && key <= this.list.length
      ? this.list[key - 1]
      : this.fields.get(key);
  }

  set(key: unknown, value: unknown): void {
    const { list, fields } = this;
    if (typeof key === "number" && key >= 1 && key <= list.length) {
      list[key - 1] = value;
      while (list.length > 0 && list.at(-1) === undefined) list.pop();
    } else if (key === list.length + 1 && value !== undefined) {
      list.push(value);
      for (let next = list.length + 1; fields.has(next); next = list.length + 1) {
        list.push(fields.get(next));
        fields.delete(next);
      }
    } else if (value === undefined) fields.delete(key);
    else fields.set(key, value);
  }
}

export function tableOf(
  items: readonly unknown[],
  fields: readonly (readonly [unknown, unknown])[] = [],
): Table {
  const table = new Table();
  items.forEach((item, index) => {
    table.set(index + 1, item);
  });
  for (const [key, value] of fields) table.set(key, value);
  return table;
}

export function isTrue(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new Error(`attempt to concatenate a ${typeOf(value)} value`);
}

function get(table: unknown, key: unknown): unknown {
  if (table instanceof Table) return table.get(key);
  throw new Error(`attempt to index a ${typeOf(table)} value with ${String(key)}`);
}

export const runtime = {
  isTrue,
  text,
  get,
  many: (values: readonly unknown[]) => new Many(values),
  one: (value: unknown) => (value instanceof Many ? value.values[0] : value),
  all: (value: unknown) => (value instanceof Many ? value.values : [value]),
  set(table: unknown, key: unknown, value: unknown): void {
    if (!(table instanceof Table)) throw new Error(`attempt to index a ${typeOf(table)} value`);
    table.set(key, value);
  },
  table: tableOf,
  length(value: unknown): number {
    if (typeof value === "string") return value.length;
    if (value instanceof Table) return value.list.length;
    throw new Error(`attempt to get the length of a ${typeOf(value)} value`);
  },
  modulo: (one: unknown, other: unknown) =>
    Number(one) - Math.floor(Number(one) / Number(other)) * Number(other),
};

function typeOf(value: unknown): string {
  if (value === undefined) return "nil";
  return value instanceof Table ? "table" : typeof value;
}

/** From the first to the last character, both included, as string.sub counts. */
function sub(value: unknown, first: number, last = -1): string {
  const whole = text(value);
  const from = first < 0 ? Math.max(0, whole.length + first) : Math.max(0, first - 1);
  return whole.slice(from, Math.max(0, last < 0 ? whole.length + last + 1 : last));
}

function match(value: unknown, pattern: string): unknown {
  const found = patternOf(pattern).exec(text(value));
  if (found === null) return undefined;
  return found.length === 1 ? found[0] : new Many(found.slice(1));
}

const CLASSES: Readonly<Record<string, string>> = { d: "\\d", x: "[0-9a-fA-F]" };

function patternOf(pattern: string): RegExp {
  const source = pattern
    .replaceAll("[^%z]", "[^\\0]")
    .replaceAll("%z", "\\0")
    .replace(/%(.)/g, (_, one: string) => CLASSES[one] ?? `\\${one}`);
  return new RegExp(source, "s");
}

function format(pattern: string, value: number): string {
  const found = /^%(0?)(\d*)(?:\.0f|d)$/.exec(pattern);
  if (found === null) throw new Error(`no such format: ${pattern}`);
  return Number(value)
    .toFixed(0)
    .padStart(Number(found[2]), found[1] === "" ? " " : "0");
}

function toNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value))
    ? Number(value)
    : undefined;
}

/** What Lua throws. */
export class LuaError extends Error {
  readonly value: unknown;

  constructor(value: unknown) {
    super(typeof value === "string" ? value : "an error of Lua");
    this.value = value;
  }
}

function pcall(run: (...args: unknown[]) => unknown, ...args: unknown[]): Many {
  try {
    return new Many([true, ...runtime.all(run(...args))]);
  } catch (error) {
    if (error instanceof LuaError) return new Many([false, error.value]);
    throw error;
  }
}

const library = (functions: Readonly<Record<string, unknown>>): Table =>
  tableOf([], Object.entries(functions));

/** The globals of every chunk, beside `redis`. */
export const luaGlobals: Readonly<Record<string, unknown>> = {
  pcall,
  ipairs: function* (table: Table) {
    for (let index = 1; table.get(index) !== undefined; index++) yield [index, table.get(index)];
  },
  pairs: function* (table: Table) {
    for (const [index, item] of table.list.entries()) if (item !== undefined) yield [index + 1, item];
    yield* table.fields;
  },
  error(value: unknown) {
    throw new LuaError(value);
  },
  tonumber: toNumber,
  tostring: (value: unknown) => (value === undefined ? "nil" : String(value)),
  type: typeOf,
  unpack: (table: Table) => new Many(table.list),
  string: library({
    sub,
    match,
    format,
    byte: (value: string, at = 1) => (at <= value.length ? value.charCodeAt(at - 1) : undefined),
    char: (...codes: number[]) => String.fromCharCode(...codes),
  }),
  math: library({ floor: Math.floor, min: Math.min, max: Math.max }),
  table: library({ concat: (table: Table) => table.list.map(text).join("") }),
  struct: library({
    pack: (pattern: string, ...values: unknown[]) => packStruct(pattern, values),
    unpack: (pattern: string, bytes: string, at = 1) => new Many(unpackStruct(pattern, bytes, at)),
  }),
};
