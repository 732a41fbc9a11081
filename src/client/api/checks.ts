/**
 * Checks of an application's arguments. Each returns what is to be sent, or throws FIELD_INVALID naming the field and its
 * bound. They check types too, since callers in JavaScript have no compiler, and read each argument once, since a getter
 * or a proxy may answer differently the second time. Lists are copied, so that what was checked is what is sent.
 */

import { NO_TAGS } from "../../codec/fast/messages.ts";
import { parseDuration } from "../../common/duration.ts";
import { CacheError, fieldInvalid } from "../../common/errors.ts";
import type { Duration } from "./duration.ts";
import { checkNames, type OptionNames } from "./option-names.ts";
import { PREFIXES_MAX, type ServerLimits } from "./server-limits.ts";
import { isAbortSignal } from "./signals.ts";

const DURATION_FORM = 'such as "250ms", "30s", "10m", "2h" or "7d"';
const NAMESPACE = /^[a-z0-9][a-z0-9._-]*$/;
const UINT64_MAX = 2n ** 64n - 1n;

const NONE = Object.freeze({});

/**
 * The options of a call, each of which may be left out. `null` means the same as `undefined`, here and in every option.
 * Without `names`, the names of the options are not checked.
 */
export function checkOptions<Options extends object>(
  options: Options | undefined,
  names?: OptionNames,
): Options | typeof NONE {
  if (options === undefined || options === null) return NONE;
  if (typeof options !== "object") throw fieldInvalid("options", "an object");
  if (names !== undefined) checkNames(options, names);
  return options;
}

/** The error for what reading an argument threw: the refusal of a check as it is, else FIELD_INVALID, such as for a getter. */
export function unreadable(field: string, cause: unknown): CacheError {
  if (cause instanceof CacheError) return cause;
  const message = `${field} could not be read: a getter threw`;
  return new CacheError("FIELD_INVALID", message, { field, bound: "readable" }, { cause });
}

export function checkNamespace(namespace: string, limits: ServerLimits): string {
  const { namespaceMaxBytes } = limits;
  // Each of these characters is one byte.
  if (typeof namespace !== "string" || namespace.length > namespaceMaxBytes || !NAMESPACE.test(namespace)) {
    throw fieldInvalid("namespace", `1 to ${namespaceMaxBytes} bytes of [a-z0-9] and then [a-z0-9._-]`);
  }
  return namespace;
}

/** A key without lone surrogates: UTF-8 has no form for them, so the server would store another key. */
export function checkKey(key: string, limits: ServerLimits): string {
  return checkText("key", key, limits.keyMaxBytes);
}

export function checkValue(encoded: Uint8Array, limits: ServerLimits): void {
  if (encoded.length > limits.valueMaxBytes) {
    throw fieldInvalid("value", `at most ${limits.valueMaxBytes} bytes`);
  }
}

/** An older server would drop it, and readers would take the compressed bytes for the value. */
export function checkContentEncoding(contentEncoding: string, { contentEncodings }: ServerLimits): void {
  if (contentEncoding !== "" && !contentEncodings)
    throw fieldInvalid("contentEncoding", "empty for this server");
}

export function checkContentType(contentType: string, limits: ServerLimits): string {
  if (contentType.length <= limits.contentTypeMaxBytes) return contentType;
  throw fieldInvalid("contentType", `at most ${limits.contentTypeMaxBytes} bytes`);
}

/** Any number of keys. */
export function checkKeys(keys: readonly string[], limits: ServerLimits): string[] {
  return checkTexts("keys", keys, Number.POSITIVE_INFINITY, limits.keyMaxBytes, "key");
}

const PAIRS = "a Map, or pairs of a key, which is text, and a value";

/** A Map, or any other iterable of pairs. Their second parts are not looked at. */
export function checkPairs<Second>(
  field: string,
  pairs: Iterable<readonly [key: string, second: Second]>,
): (readonly [key: string, second: Second])[] {
  const isIterable = typeof pairs === "object" && pairs !== null && Symbol.iterator in pairs;
  if (!isIterable) throw fieldInvalid(field, PAIRS);
  return Array.from(pairs, (pair) => {
    if (!Array.isArray(pair)) throw fieldInvalid(field, PAIRS);
    const [key, second]: readonly [key: string, second: Second] = pair;
    if (typeof key !== "string") throw fieldInvalid(field, PAIRS);
    return [key, second];
  });
}

/** The tags of an entry, each once. */
export function checkEntryTags(tags: readonly string[] | undefined, limits: ServerLimits): string[] {
  if (tags === undefined || tags === null) return NO_TAGS;
  const checked = checkTexts("tags", tags, Number.POSITIVE_INFINITY, limits.tagMaxBytes);
  const different = checked.length < 2 ? checked : Array.from(new Set(checked));
  if (different.length > limits.entryMaxTags) throw fieldInvalid("tags", `at most ${limits.entryMaxTags}`);
  return different;
}

/** Any number of tags. */
export function checkTags(tags: readonly string[], limits: ServerLimits, field = "tags"): string[] {
  return checkTexts(field, tags, Number.POSITIVE_INFINITY, limits.tagMaxBytes);
}

/** As many prefixes as any server takes: for a server that takes fewer, the subscription is widened to the namespace. */
export function checkPrefixes(field: string, prefixes: readonly string[], limits: ServerLimits): string[] {
  return checkTexts(field, prefixes, PREFIXES_MAX, limits.keyMaxBytes);
}

export function checkPrefix(prefix: string, limits: ServerLimits): string {
  return checkText("prefix", prefix, limits.keyMaxBytes);
}

/** Reads by index, since an array may have an iterator of its own. A hole is refused, as anything that is no string. */
function checkTexts(
  field: string,
  texts: readonly string[],
  most: number,
  maxBytes: number,
  itemField = field,
): string[] {
  try {
    if (!Array.isArray(texts)) throw fieldInvalid(field, "an array");
    const { length } = texts;
    if (length > most) throw fieldInvalid(field, `at most ${most}`);
    const checked = new Array<string>(length);
    for (let index = 0; index < length; index += 1) {
      checked[index] = checkText(itemField, texts[index], maxBytes);
    }
    return checked;
  } catch (error) {
    throw unreadable(field, error);
  }
}

/** A uint64 of the contract; 0n when it is not given. */
export function checkUint64(field: string, value: bigint | undefined): bigint {
  if (value === undefined || value === null) return 0n;
  if (typeof value !== "bigint" || value < 0n || value > UINT64_MAX) {
    throw fieldInvalid(field, `a bigint from 0 to ${UINT64_MAX}`);
  }
  return value;
}

/** An int64 of the contract, from a bigint or a safe integer. */
export function checkInt64(field: string, value: bigint | number | undefined, fallback: bigint): bigint {
  if (value === undefined || value === null) return fallback;
  const given = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof given !== "bigint" || BigInt.asIntN(64, given) !== given) {
    throw fieldInvalid(
      field,
      "a whole number from -(2^53 - 1) to 2^53 - 1, or a bigint from -2^63 to 2^63 - 1",
    );
  }
  return given;
}

/** A whole number of milliseconds from 0 to the server's longest lifetime. */
export function checkLifetimeMs(
  field: string,
  value: Duration | undefined,
  fallback: number,
  limits: ServerLimits,
): number {
  return durationOption(field, value, fallback, 0, limits.lifetimeMaxMs);
}

/** Milliseconds, or a time with a unit, as milliseconds. */
export function durationOption(
  field: string,
  value: Duration | undefined,
  fallbackMs: number,
  minMs: number,
  maxMs: number,
): number {
  const resolved = value ?? fallbackMs;
  const ms = typeof resolved === "string" ? parseDuration(resolved) : resolved;
  if (ms === undefined || !Number.isSafeInteger(ms) || ms < minMs || ms > maxMs) {
    throw fieldInvalid(field, `a whole number from ${minMs} to ${maxMs} (ms), or a time ${DURATION_FORM}`);
  }
  return ms;
}

export function checkWhole(field: string, value: number, min: number, max: number): number {
  return wholeOption(field, value, value, min, max);
}

export function wholeOption(
  field: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  const resolved = value ?? fallback;
  if (!Number.isSafeInteger(resolved) || resolved < min || resolved > max) {
    throw fieldInvalid(field, `a whole number from ${min} to ${max}`);
  }
  return resolved;
}

export function checkShare(field: string, value: number | undefined, fallback: number, max: number): number {
  const resolved = value ?? fallback;
  if (typeof resolved !== "number" || !(resolved >= 0 && resolved <= max)) {
    throw fieldInvalid(field, `a number from 0 to ${max}`);
  }
  return resolved;
}

export function checkFlag(field: string, value: boolean | undefined, fallback: boolean): boolean {
  const resolved = value ?? fallback;
  if (typeof resolved !== "boolean") throw fieldInvalid(field, "true or false");
  return resolved;
}

/** A group of options, which may be left out. */
export function checkGroup<Group extends object>(
  field: string,
  group: Group | undefined,
  names: OptionNames,
): Group | undefined {
  if (group === undefined || group === null) return undefined;
  if (typeof group !== "object") throw fieldInvalid(field, "an object");
  checkNames(group, names, field);
  return group;
}

/** One of a few words. */
export function checkWord<Word extends string>(
  field: string,
  value: Word | undefined,
  fallback: Word,
  words: readonly Word[],
): Word {
  const resolved = value ?? fallback;
  if (!words.includes(resolved)) throw fieldInvalid(field, `one of ${words.join(", ")}`);
  return resolved;
}

/** Milliseconds of any size, or none. */
export function checkStalenessMs(maxStalenessMs: Duration | undefined): number | undefined {
  if (maxStalenessMs === undefined || maxStalenessMs === null) return undefined;
  const ms = typeof maxStalenessMs === "string" ? parseDuration(maxStalenessMs) : maxStalenessMs;
  if (typeof ms === "number" && ms >= 0) return ms;
  throw fieldInvalid("maxStalenessMs", `a number from 0 (ms), or a time ${DURATION_FORM}`);
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  if (!isAbortSignal(signal)) throw fieldInvalid("signal", "an AbortSignal");
  return signal;
}

export function checkFunction<Given>(field: string, given: Given): Given {
  if (typeof given !== "function") throw fieldInvalid(field, "a function");
  return given;
}

function checkText(field: string, value: string, maxBytes: number): string {
  // A UTF-16 unit is at most three bytes of UTF-8, so short text needs no counting.
  const isText =
    typeof value === "string" &&
    value.length > 0 &&
    (value.length * 3 <= maxBytes || Buffer.byteLength(value, "utf8") <= maxBytes) &&
    value.isWellFormed();
  if (!isText) throw fieldInvalid(field, `1 to ${maxBytes} bytes of UTF-8`);
  return value;
}
