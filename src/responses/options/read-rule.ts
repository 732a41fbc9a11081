/** The rules of methods that read: the option `cache`, checked and compiled. */
import { type Cache, Code, Sharing } from "../../../gen/meshcache/options/v1/caching_pb.ts";
import { toCanonicalText } from "./canonical-text.ts";
import { MetadataRules } from "./metadata-rules.ts";
import {
  checkCodes,
  checkList,
  checkNames,
  LIST_MAX,
  methodName,
  type Report,
  readTemplates,
  readTime,
  TRANSIENT,
} from "./option-checks.ts";
import { RememberedKeys } from "./remembered-keys.ts";
import { type FieldPath, FieldReader, findField } from "./request-fields.ts";
import { KeyFields, toKey, toPrefix } from "./request-key.ts";
import type { ServiceMethod } from "./service-methods.ts";
import { expand, type TagTemplate } from "./template.ts";

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

const IGNORED_MAX = 64;
const ABSENT_TTL_DEFAULT_MS = 30_000;
/** Of open enums any number may come. */
const SHARINGS: ReadonlySet<number> = new Set(Object.values(Sharing));
/** What one caller gets, and another does not. */
const OF_CALLERS: readonly Code[] = [Code.PERMISSION_DENIED, Code.UNAUTHENTICATED];

export function compileRead(method: ServiceMethod, cache: Cache, report: Report): ReadRule {
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
  const fields = new KeyFields(key, key, reader);
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
  const prefix = toPrefix(method.service, method.name);
  const remembered = new RememberedKeys((request) => {
    const values = reader.isEmpty ? [] : reader.read(request);
    const text = key.length === 0 ? `*={${toCanonicalText(method.input, [request])}}` : fields.textOf(values);
    return { key: toKey(prefix, text), tags: () => expand(tags, values) };
  });
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
    keyOf: (request) => remembered.keyOf(request),
  };
}
