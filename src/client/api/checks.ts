/**
 * Checks of what an application hands over. Each returns what the encoder takes, or throws FIELD_INVALID naming the field
 * and its bound. They look at types too, which JavaScript does not, and read each thing once: what a getter or a proxy
 * says the second time is nobody's concern. Lists are copied, so that what was checked is what is sent.
 */

import { NO_TAGS } from "../../codec/fast/messages.ts";
import { CacheError, fieldInvalid } from "../../common/errors.ts";

const NAMESPACE = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const KEY_MAX_BYTES = 512;
const TAG_MAX_BYTES = 128;
const PREFIXES_MAX = 64;
/** What a server can be told to take. */
const ENTRY_MAX_TAGS = 256;
/** What the server takes in one batch. */
const VALUE_MAX_BYTES = 2 * 2 ** 20;
const YEAR_MS = 31_536_000_000;
const UINT64_MAX = 2n ** 64n - 1n;

const NONE = Object.freeze({});

/** The options of a call, each of which may be left out. `null` is as good as `undefined`, here and in every option. */
export function checkOptions<Options extends object>(options: Options | undefined): Options | typeof NONE {
  if (options === undefined || options === null) return NONE;
  if (typeof options !== "object") throw fieldInvalid("options", "an object");
  return options;
}

/** What reading an argument threw: the refusal of a check, or a fault of the argument's own, such as a getter's. */
export function unreadable(field: string, cause: unknown): CacheError {
  if (cause instanceof CacheError) return cause;
  const bound = "what can be read";
  return new CacheError("FIELD_INVALID", `${field} must be ${bound}`, { field, bound }, { cause });
}

export function checkNamespace(namespace: string): string {
  if (typeof namespace !== "string" || !NAMESPACE.test(namespace)) {
    throw fieldInvalid("namespace", "1 to 64 bytes of [a-z0-9] and then [a-z0-9._-]");
  }
  return namespace;
}

/** A key that the encoder can write: what a lone surrogate becomes on the way would be another key. */
export function checkKey(key: string): string {
  return checkText("key", key, KEY_MAX_BYTES);
}

/**
 * A value that fits into a message. How large a value may be is the server's to say (1 MiB unless configured), in
 * an answer; a message that it does not take ends the stream for everybody.
 */
export function checkValue(encoded: Uint8Array): void {
  if (encoded.length > VALUE_MAX_BYTES) throw fieldInvalid("value", `at most ${VALUE_MAX_BYTES} bytes`);
}

/** Any number of keys. */
export function checkKeys(keys: readonly string[]): string[] {
  return checkTexts("keys", keys, Number.POSITIVE_INFINITY, KEY_MAX_BYTES, "key");
}

/** The tags of an entry: how many of them it may have is the server's to say, as with values. */
export function checkEntryTags(tags: readonly string[] | undefined): string[] {
  return tags === undefined || tags === null ? NO_TAGS : checkTags(tags, ENTRY_MAX_TAGS);
}

export function checkTags(tags: readonly string[], mostTags = Number.POSITIVE_INFINITY): string[] {
  return checkTexts("tags", tags, mostTags, TAG_MAX_BYTES);
}

export function checkPrefixes(field: string, prefixes: readonly string[]): string[] {
  return checkTexts(field, prefixes, PREFIXES_MAX, KEY_MAX_BYTES);
}

export function checkPrefix(prefix: string): string {
  return checkText("prefix", prefix, KEY_MAX_BYTES);
}

/** By index, for an array may iterate as it likes. A hole in it is no text. */
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

/** A whole number of milliseconds from 0 to 365 days. */
export function checkLifetimeMs(field: string, value: number | undefined, fallback: number): number {
  return wholeOption(field, value, fallback, 0, YEAR_MS);
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
export function checkStalenessMs(maxStalenessMs: number | undefined): number | undefined {
  if (maxStalenessMs === undefined || maxStalenessMs === null) return undefined;
  if (typeof maxStalenessMs !== "number" || !(maxStalenessMs >= 0)) {
    throw fieldInvalid("maxStalenessMs", "a number from 0");
  }
  return maxStalenessMs;
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  try {
    if (signal instanceof AbortSignal && typeof signal.aborted === "boolean") return signal;
  } catch (error) {
    throw unreadable("signal", error);
  }
  throw fieldInvalid("signal", "an AbortSignal");
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
