/** Loaders of `getOrLoad`, and what they may return. */

import type { Duration } from "./duration.ts";
import { optionNames } from "./option-names.ts";
import { refusePromise } from "./promises.ts";

/** What a loader may say about its value. Each wins over the same option of the call. */
export interface LoadedOptions {
  /**
   * How long the value is fresh, in milliseconds. 0: it is returned and not kept. Default: the namespace's, where 0 means
   * until it is invalidated or evicted.
   */
  readonly ttlMs?: Duration;
  /** How long after that it may be served stale, in milliseconds. Default: the namespace's. */
  readonly staleMs?: Duration;
  /**
   * Up to 16 different tags, unless the server is configured otherwise; a tag that is named twice counts once. Invalidating
   * any of them removes the entry.
   */
  readonly tags?: readonly string[];
  /** A version that the source gave to the value: a Set with a smaller one loses. 0n, the default: none. */
  readonly sourceVersion?: bigint;
}

export const LOADED_OPTIONS = optionNames<LoadedOptions>({
  ttlMs: true,
  staleMs: true,
  tags: true,
  sourceVersion: true,
});

const LOADED: unique symbol = Symbol("meshcache.loaded");
const KEEP_AFTER: unique symbol = Symbol("meshcache.keepAfter");

/** A loaded value with its options. Made by `loaded()` and `absent()`. */
export interface Loaded<Value> {
  readonly [LOADED]: true;
  readonly value: Value | undefined;
  readonly absent: boolean;
  readonly options: LoadedOptions;
  readonly [KEEP_AFTER]?: Promise<void>;
}

/** What a loader returns to set lifetimes and tags: `return loaded(user, { tags: user.groups })`. */
export function loaded<Value>(value: Value, options: LoadedOptions): Loaded<Value> {
  return { [LOADED]: true, value, absent: false, options };
}

/** What a loader returns when its source has no such record. Returning undefined or null means the same. */
export function absent(options: LoadedOptions = {}): Loaded<never> {
  return { [LOADED]: true, value: undefined, absent: true, options };
}

/** For a value whose callers do not wait until it is stored: storing it begins after this promise, which never rejects. */
export function keptAfter<Value>(result: Loaded<Value>, after: Promise<void>): Loaded<Value> {
  return { ...result, [KEEP_AFTER]: after };
}

/** Undefined: it is stored at once. */
export const keepAfterOf = (result: Loaded<unknown>): Promise<void> | undefined => result[KEEP_AFTER];

export interface LoadContext {
  /** Aborted when the loader has taken longer than `hardTimeoutMs`, and when the client is closed. */
  readonly signal: AbortSignal;
}

/**
 * What a loader may return. Undefined and null, as many database libraries return them: the source has no such record, so
 * callers get undefined. A namespace that has null as a value stores it by `loaded(null, {})`.
 */
export type LoaderResult<Value> = Value | undefined | null | Loaded<Value>;

/** Loads the value of a key from its source. */
export type Loader<Value> = (context: LoadContext) => LoaderResult<Value> | Promise<LoaderResult<Value>>;

/**
 * What a loader of many keys returns, a Map for example. A key that is not in it is absent at the source. Keys are text: with any
 * other key, such as the number of a row, the load fails with FIELD_INVALID.
 */
export type LoadedMany<Value> = Iterable<readonly [key: string, value: LoaderResult<Value>]>;

/** Loads the values of several keys from their source, each key once. */
export type ManyLoader<Value> = (
  missing: readonly string[],
  context: LoadContext,
) => LoadedMany<Value> | Promise<LoadedMany<Value>>;

/** The values of a namespace; where their type is unknown, those of the loader. */
export type LoadedValue<Value, Found> = unknown extends Value ? Found : Value;

/** What a loader returned, in one form. Throws a TypeError for `loaded()` of a promise. */
export function toLoaded<Value>(result: LoaderResult<Value>): Loaded<Value> {
  if (typeof result === "object" && result !== null && LOADED in result) {
    refusePromise(result.value, "loaded() takes a value, and was given a promise");
    return result;
  }
  return result === undefined || result === null ? absent() : loaded(result, {});
}
