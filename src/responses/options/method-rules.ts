/**
 * The rules of methods: their options, checked and compiled. Keys of reads are
 *
 *   users.v1.UserService/GetUser:tenant_id="acme",user_id=42;accept-language=["en"]
 *
 * The parts that are long are replaced by hashes, so that no key has more than 512 bytes.
 */
import { createHash } from "node:crypto";
import { type Cache, Code, type Invalidates, Sharing } from "../../../gen/meshcache/options/v1/caching_pb.ts";
import { parseDuration } from "../../common/duration.ts";
import { toCanonicalText, toKeyText, toListText, UNSET } from "./canonical-text.ts";
import { MetadataRules, metadataFault } from "./metadata-rules.ts";
import { type FieldPath, FieldReader, type FieldValues, findField, singleValue } from "./request-fields.ts";
import type { ServiceMethod } from "./service-methods.ts";
import { parseTemplate, TagTemplate } from "./template.ts";

/** What is wrong with an option of a method. A warning is for `lint-cache` alone. */
export interface Problem {
  readonly severity: "error" | "warning";
  /** "users.v1.UserService.GetUser" */
  readonly method: string;
  /** "cache.key" */
  readonly option: string;
  readonly text: string;
}

/** What is said of a request that is keyed. */
export interface KeyedRequest {
  /** Up to the metadata. */
  readonly key: string;
  /** Only a response that is stored needs them, and no hit. */
  tags(): readonly string[];
}

export interface ReadRule {
  readonly kind: "read";
  readonly name: string;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly absentTtlMs: number;
  readonly absentOn: ReadonlySet<number>;
  readonly sharing: Sharing;
  readonly metadata: MetadataRules;
  /** Sorted. */
  readonly vary: readonly string[];
  readonly keep: ReadonlySet<string>;
  /** Every key of the method begins with this. */
  readonly prefix: string;
  /** Other callers or other metadata have other keys. */
  readonly hasVariants: boolean;
  /** Empty: the whole request. */
  readonly key: readonly FieldPath[];
  readonly tags: readonly TagTemplate[];
  /** How many tags a request has is known only once they are made. */
  readonly hasManyTags: boolean;
  /** Throws UnkeyableRequest. */
  keyOf(request: Uint8Array): KeyedRequest;
}

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

export type MethodRule = ReadRule | WriteRule;

export interface Rules {
  /** By the paths of calls: "/users.v1.UserService/GetUser". */
  readonly byPath: ReadonlyMap<string, MethodRule>;
  readonly problems: readonly Problem[];
}

/** In UTF-16 units; longer ones are replaced by hashes of 44. With the name of a method of 128 they are within 512 bytes. */
const FIELDS_MAX_LENGTH = 256;
const METADATA_MAX_LENGTH = 64;
const NAME_MAX_LENGTH = 128;
const LIST_MAX = 16;
const IGNORED_MAX = 64;
const TAGS_MAX = 16;
const LIFETIME_MAX_MS = 365 * 86_400_000;
const ABSENT_TTL_DEFAULT_MS = 30_000;
/** Of open enums any number may come. */
const SHARINGS: ReadonlySet<number> = new Set(Object.values(Sharing));
const CODES: ReadonlySet<number> = new Set(Object.values(Code));

/** What a call may end with whatever the service has or has done. */
const TRANSIENT: readonly Code[] = [Code.OK, Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE];
const UNPROVEN: readonly Code[] = [...TRANSIENT, Code.UNKNOWN, Code.INTERNAL, Code.DATA_LOSS];
/** What one caller gets, and another does not. */
const OF_CALLERS: readonly Code[] = [Code.PERMISSION_DENIED, Code.UNAUTHENTICATED];

export const methodName = ({ service, name }: ServiceMethod): string => `${service}.${name}`;

/** Compiles the rules of all methods. A method with an error has no rule. */
export function compileRules(methods: readonly ServiceMethod[]): Rules {
  const byPath = new Map<string, MethodRule>();
  const problems: Problem[] = [];
  const compile = (method: ServiceMethod, make: (report: Report) => MethodRule) => {
    let failed = false;
    const rule = make((option, text) => {
      failed = true;
      problems.push({ severity: "error", method: methodName(method), option, text });
    });
    if (!failed) byPath.set(`/${method.service}/${method.name}`, rule);
  };
  const reads = new Map<string, ReadRule>();
  for (const method of methods) {
    const { cache } = method;
    if (cache === undefined) continue;
    compile(method, (report) => {
      const rule = compileRead(method, cache, report);
      reads.set(methodName(method), rule);
      return rule;
    });
  }
  for (const method of methods) {
    const { invalidates } = method;
    if (invalidates !== undefined)
      compile(method, (report) => compileWrite(method, invalidates, reads, report));
  }
  return { byPath, problems };
}

type Report = (option: string, text: string) => void;

// ---- Reads -------------------------------------------------------------------------------------------------

function compileRead(method: ServiceMethod, cache: Cache, report: Report): ReadRule {
  if (!method.isUnary) report("cache", "is for unary methods, and this one streams");
  if (method.invalidates !== undefined)
    report("cache", "stands beside `invalidates`: a method is a read or a write");
  if (method.sideEffects === "idempotent")
    report("cache", "is for methods without side effects, and its idempotency_level is IDEMPOTENT");
  const ttlMs = readTime(cache.ttl, "cache.ttl", 1, report) ?? 0;
  if (cache.ttl === "") report("cache.ttl", "is missing");
  const staleMs = readTime(cache.stale, "cache.stale", 0, report) ?? 0;
  const absentTtlMs =
    readTime(cache.absentTtl, "cache.absent_ttl", 1, report) ?? Math.min(ttlMs, ABSENT_TTL_DEFAULT_MS);
  const reader = new FieldReader(method.input, "refuseUnknown");
  const key = checkList(cache.key, "cache.key", LIST_MAX, report).flatMap((name) => {
    const path = findField(method.input, name);
    if (typeof path !== "string") return [path];
    report("cache.key", `"${name}" ${path}`);
    return [];
  });
  const slots = key.map((path) => reader.slotOf(path));
  const tags = readTemplates(cache.tags, "cache.tags", method, reader, report);
  const vary = checkNames(cache.varyMetadata, "cache.vary_metadata", LIST_MAX, report).sort();
  const ignore = checkNames(cache.ignoreMetadata, "cache.ignore_metadata", IGNORED_MAX, report);
  for (const name of ignore)
    if (vary.includes(name)) report("cache.ignore_metadata", `"${name}" is in vary_metadata too`);
  const mayNotBeAbsent = cache.sharing === Sharing.CALLER ? TRANSIENT : [...TRANSIENT, ...OF_CALLERS];
  checkCodes(
    cache.absentOn,
    "cache.absent_on",
    mayNotBeAbsent,
    "does not say that there is no such record",
    report,
  );
  const keep = checkNames(cache.keepMetadata, "cache.keep_metadata", LIST_MAX, report);
  if (!SHARINGS.has(cache.sharing)) report("cache.sharing", "has a value that is not known");
  const prefix = `${shorten(`${method.service}/${method.name}`, NAME_MAX_LENGTH)}:`;
  return {
    kind: "read",
    name: methodName(method),
    ttlMs,
    staleMs,
    absentTtlMs,
    absentOn: new Set(cache.absentOn),
    sharing: cache.sharing,
    metadata: new MetadataRules(vary, ignore),
    vary,
    keep: new Set(keep),
    prefix,
    hasVariants: vary.length > 0 || cache.sharing === Sharing.CALLER,
    key,
    tags,
    hasManyTags: tags.some(({ isList }) => isList),
    keyOf(request) {
      const values = reader.isEmpty ? [] : reader.read(request);
      const fields =
        key.length === 0
          ? `*={${toCanonicalText(method.input, [request])}}`
          : toFieldsText(key, key, values, slots);
      return { key: toKey(prefix, fields), tags: () => expand(tags, values) };
    },
  };
}

/** `names`: the fields as the key names them; `paths`: where their values are. */
function toFieldsText(
  names: readonly FieldPath[],
  paths: readonly FieldPath[],
  values: FieldValues,
  slots: readonly number[],
): string {
  let text = "";
  for (const [index, path] of paths.entries()) {
    const found = values[slots[index] ?? 0] ?? [];
    const single = path.leaf.repeated ? undefined : singleValue(path, found);
    const value = path.leaf.repeated ? toListText(found) : single === undefined ? UNSET : toKeyText(single);
    text += `${index === 0 ? "" : ","}${names[index]?.name}=${value}`;
  }
  return text;
}

const toKey = (prefix: string, fields: string): string => `${prefix}${shorten(fields, FIELDS_MAX_LENGTH)};`;

/** The key of a response for these metadata and this caller. */
export function withVariant(key: string, variant: string): string {
  return variant === "" ? key : `${key}${shorten(variant, METADATA_MAX_LENGTH)}`;
}

/** Beyond ASCII a character may take more bytes, so such a text is measured. */
function shorten(text: string, maxBytes: number): string {
  const isShort =
    text.length <= maxBytes && (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes);
  return isShort ? text : `#${hash(text)}`;
}

export function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function expand(templates: readonly TagTemplate[], values: FieldValues): readonly string[] {
  if (templates.length === 0) return NO_TAGS;
  const tags = new Set<string>();
  for (const template of templates) template.addTo(tags, values);
  return [...tags];
}

const NO_TAGS: readonly string[] = Object.freeze([]);

// ---- Writes ------------------------------------------------------------------------------------------------

/** A read that a write names, and where the fields of its key come from. */
interface NamedKey {
  readonly read: ReadRule;
  readonly paths: readonly FieldPath[];
  readonly slots: readonly number[];
}

function compileWrite(
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
      const keys = named.map(({ read, paths, slots }) => ({
        read,
        key: toKey(read.prefix, toFieldsText(read.key, paths, values, slots)),
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
  return { read, paths, slots: paths.map((path) => reader.slotOf(path)) };
}

// ---- Checks ------------------------------------------------------------------------------------------------

function readTemplates(
  texts: readonly string[],
  option: string,
  method: ServiceMethod,
  reader: FieldReader,
  report: Report,
): TagTemplate[] {
  return checkList(texts, option, TAGS_MAX, report).flatMap((text) => {
    const template = parseTemplate(text, method.input, reader);
    if (template instanceof TagTemplate) return [template];
    report(option, `"${text}" ${template}`);
    return [];
  });
}

/** Undefined: it is not given, or wrong. */
function readTime(text: string, option: string, minMs: number, report: Report): number | undefined {
  if (text === "") return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= minMs && ms <= LIFETIME_MAX_MS) return ms;
  report(option, `is "${text}", and must be a time from ${minMs}ms to 365d, such as "60s"`);
  return undefined;
}

function checkNames(names: readonly string[], option: string, most: number, report: Report): string[] {
  for (const name of names) {
    const fault = metadataFault(name, option.endsWith("vary_metadata") ? "vary" : "other");
    if (fault !== undefined) report(option, `"${name}" ${fault}`);
  }
  return checkList(names, option, most, report);
}

function checkList(items: readonly string[], option: string, most: number, report: Report): string[] {
  if (items.length > most) report(option, `has ${items.length} items, and may have ${most}`);
  const different = [...new Set(items)];
  if (different.length < items.length) report(option, "has an item twice");
  return different;
}

function checkCodes(
  codes: readonly Code[],
  option: string,
  refused: readonly Code[],
  why: string,
  report: Report,
): void {
  for (const code of codes) {
    if (!CODES.has(code)) report(option, `has ${code}, which is no status of gRPC`);
    else if (refused.includes(code)) report(option, `has ${nameOf(code)}, which ${why}`);
  }
}

function nameOf(code: Code): string {
  return Object.entries(Code).find(([, value]) => value === code)?.[0] ?? String(code);
}
