/** Reads YAML by a schema, and finds all faults at once, each with its line. */
import { isNode, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { CacheError } from "../../common/errors.ts";

export interface ReadYaml<Value> {
  readonly value: Value;
  /** The line of what is at a path, from 1. */
  lineOf(path: readonly PropertyKey[]): number;
}

/** Throws FIELD_INVALID for `field`, whose bound lists the faults: "line 3 issuers.0.name: must be …". Repeats no value. */
export function readYaml<Schema extends z.ZodType>(
  field: string,
  text: string,
  schema: Schema,
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
  const result = schema.safeParse(document.toJS());
  if (result.success) {
    const lineAt = (path: readonly PropertyKey[]) => lines.linePos(offsetOf(document, path)).line;
    return { value: result.data, lineOf: lineAt };
  }
  const faults = result.error.issues.map(({ path, message }) => {
    const at = offsetOf(document, path);
    return `${lineOf(at)} ${path.map(String).join(".")}: ${message}`;
  });
  throw faultyFile(field, faults);
}

export function faultyFile(field: string, faults: readonly string[]): CacheError {
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
