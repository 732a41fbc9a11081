/** The rules of methods that write: the option `invalidates`, checked and compiled. */
import { Code, type Invalidates } from "../../../gen/meshcache/options/v1/caching_pb.ts";
import {
  checkCodes,
  checkList,
  LIST_MAX,
  methodName,
  type Report,
  readTemplates,
  TRANSIENT,
} from "./option-checks.ts";
import type { ReadRule } from "./read-rule.ts";
import { type FieldPath, FieldReader, findField } from "./request-fields.ts";
import { KeyFields, toKey } from "./request-key.ts";
import type { ServiceMethod } from "./service-methods.ts";
import { expand, type TagTemplate } from "./template.ts";

export interface WriteTargets {
  readonly tags: readonly string[];
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
}

export interface WriteRule {
  readonly kind: "write";
  readonly name: string;
  readonly unchangedOn: ReadonlySet<number>;
  readonly tags: readonly TagTemplate[];
  /** The names of the reads whose responses it names by key or by prefix. */
  readonly reads: ReadonlySet<string>;
  /** Throws UnkeyableRequest for a request that no service can read. */
  targetsOf(request: Uint8Array): WriteTargets;
}

/** What does not prove that nothing has changed. */
const UNPROVEN: readonly Code[] = [...TRANSIENT, Code.UNKNOWN, Code.INTERNAL, Code.DATA_LOSS];

/** A read that a write names, and where the fields of its key come from. */
interface NamedKey {
  readonly read: ReadRule;
  readonly fields: KeyFields;
}

export function compileWrite(
  method: ServiceMethod,
  option: Invalidates,
  reads: ReadonlyMap<string, ReadRule>,
  report: Report,
): WriteRule {
  if (!method.isUnary) report("invalidates", "is for unary methods, and this one streams");
  if (method.sideEffects === "none")
    report(
      "invalidates",
      "is for methods that change something, and its idempotency_level is NO_SIDE_EFFECTS",
    );
  if (option.tags.length + option.keys.length + option.prefixes.length === 0)
    report("invalidates", "names no tag, no key and no prefix");
  const reader = new FieldReader(method.input, "skipUnknown");
  const tags = readTemplates(option.tags, "invalidates.tags", method, reader, report);
  const find = (name: string) => reads.get(name.includes(".") ? name : `${method.service}.${name}`);
  const wholeReads = checkList(option.prefixes, "invalidates.prefixes", LIST_MAX, report).flatMap((name) => {
    const read = find(name);
    if (read === undefined) report("invalidates.prefixes", `"${name}" is no method with \`cache\``);
    return read === undefined ? [] : [read];
  });
  const named = checkList(option.keys, "invalidates.keys", LIST_MAX, report).flatMap((text) => {
    const key = readNamedKey(text, method, find, reader);
    if (typeof key !== "string") return [key];
    report("invalidates.keys", `"${text}" ${key}`);
    return [];
  });
  checkCodes(
    option.unchangedOn,
    "invalidates.unchanged_on",
    UNPROVEN,
    "does not prove that nothing has changed",
    report,
  );
  return {
    kind: "write",
    name: methodName(method),
    unchangedOn: new Set(option.unchangedOn),
    tags,
    reads: new Set([...wholeReads, ...named.map(({ read }) => read)].map(({ name }) => name)),
    targetsOf(request) {
      const values = reader.isEmpty ? [] : reader.read(request);
      const keys = named.map(({ read, fields }) => ({
        read,
        key: toKey(read.prefix, fields.textOf(values)),
      }));
      return {
        tags: expand(tags, values),
        keys: keys.flatMap(({ read, key }) => (read.hasVariants ? [] : [key])),
        prefixes: [
          ...wholeReads.map(({ prefix }) => prefix),
          ...keys.flatMap(({ read, key }) => (read.hasVariants ? [key] : [])),
        ],
      };
    },
  };
}

/** "GetUser(tenant, id)" or "GetUser". */
const NAMED_KEY = /^([\w.]+)\s*(?:\(\s*([\w.]+(?:\s*,\s*[\w.]+)*)\s*\))?$/;

function readNamedKey(
  text: string,
  method: ServiceMethod,
  find: (name: string) => ReadRule | undefined,
  reader: FieldReader,
): NamedKey | string {
  const [, name, list] = NAMED_KEY.exec(text) ?? [];
  if (name === undefined) return 'is not of the form "GetUser(tenant, id)" or "GetUser"';
  const read = find(name);
  if (read === undefined) return `names ${name}, which is no method with \`cache\``;
  if (read.key.length === 0) return `names ${name}, which has no \`key\`: use a tag, or a prefix`;
  const names = list?.split(",").map((field) => field.trim()) ?? read.key.map((field) => field.name);
  if (names.length !== read.key.length)
    return `has ${names.length} fields, and the key of ${name} has ${read.key.length}`;
  const paths: FieldPath[] = [];
  for (const [index, field] of names.entries()) {
    const path = findField(method.input, field);
    if (typeof path === "string") return `has ${field}, which ${path}`;
    const wanted = read.key[index];
    const isSame =
      wanted?.leaf.kind === path.leaf.kind &&
      wanted.leaf.repeated === path.leaf.repeated &&
      wanted.leaf.explicit === path.leaf.explicit;
    if (!isSame) return `has ${field}, which is not of the type of ${wanted?.name}`;
    paths.push(path);
  }
  return { read, fields: new KeyFields(read.key, paths, reader) };
}
