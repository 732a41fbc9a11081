/** Reads YAML by a schema, and finds all faults at once, each with its line. */
import { isNode, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { CacheError } from "../../common/errors.ts";
import { isRecord } from "../../common/record.ts";

export interface ReadYaml<Value> {
  readonly value: Value;
  /** The line of what is at a path, from 1. */
  lineOf(path: readonly PropertyKey[]): number;
}

/** A list of a file, and the keys in which no two of its entries may be the same. */
export interface Distinct {
  readonly list: string;
  readonly keys: readonly string[];
}

/** Throws FIELD_INVALID for `field`, whose bound lists the faults: "line 3 issuers.0.name: must be …". Repeats no value. */
export function readYaml<Schema extends z.ZodType>(
  field: string,
  text: string,
  schema: Schema,
  distinct?: Distinct,
): ReadYaml<z.output<Schema>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineOf = (offset: number) => `line ${lines.linePos(offset).line}`;
  if (document.errors.length > 0) {
    throw faultyFile(
      field,
      document.errors.map(({ pos, code }) => `${lineOf(pos[0])}: ${code}`),
    );
  }
  const aliases: string[] = [];
  visit(document, {
    Alias: (_key, { range }) =>
      void aliases.push(`${lineOf(range?.[0] ?? 0)}: has an alias, write what it stands for`),
  });
  if (aliases.length > 0) throw faultyFile(field, aliases);
  const lineAt = (path: readonly PropertyKey[]) => lines.linePos(offsetOf(document, path)).line;
  const value: unknown = document.toJS();
  const result = schema.safeParse(value);
  const faults = distinct === undefined ? [] : repetitions(value, distinct, lineAt);
  if (result.success && faults.length === 0) return { value: result.data, lineOf: lineAt };
  for (const { path, message } of result.error?.issues ?? []) {
    faults.push({ line: lineAt(path), text: ` ${path.map(String).join(".")}: ${message}` });
  }
  const sorted = faults.sort((one, other) => one.line - other.line);
  throw faultyFile(
    field,
    sorted.map(({ line, text: fault }) => `line ${line}${fault}`),
  );
}

interface Fault {
  readonly line: number;
  readonly text: string;
}

/** Looks at what no schema has checked. */
function repetitions(
  value: unknown,
  { list, keys }: Distinct,
  lineAt: (path: readonly PropertyKey[]) => number,
): Fault[] {
  const entries = isRecord(value) ? value[list] : undefined;
  const faults: Fault[] = [];
  for (const key of keys) {
    const lines = new Map<string, number>();
    for (const [at, entry] of (Array.isArray(entries) ? entries : []).entries()) {
      const text: unknown = isRecord(entry) ? entry[key] : undefined;
      if (typeof text !== "string") continue;
      const line = lineAt([list, at]);
      const former = lines.get(text);
      if (former === undefined) lines.set(text, line);
      else faults.push({ line, text: `: has the ${key} of line ${former}` });
    }
  }
  return faults;
}

function faultyFile(field: string, faults: readonly string[]): CacheError {
  const bound = `without faults: ${faults.join("; ")}`;
  return new CacheError("FIELD_INVALID", `${field} must be ${bound}`, { field, bound });
}

/** Of the node at the path, or of the nearest that there is above it. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node)) return node.range?.[0] ?? 0;
  }
  return 0;
}
