/** What loaders are and what they return. */

/** What a loader may say about the value that it loaded; each one wins over the options of the call. */
export interface LoadedOptions {
  readonly ttlMs?: number;
  readonly staleMs?: number;
  readonly tags?: readonly string[];
  readonly sourceVersion?: bigint;
}

const LOADED: unique symbol = Symbol("meshcache.loaded");

/** A loaded value with what the loader says about it. Made by `loaded` and `absent`. */
export interface Loaded<Value> {
  readonly [LOADED]: true;
  readonly value: Value | undefined;
  readonly absent: boolean;
  readonly options: LoadedOptions;
}

/** For a loader that decides lifetimes and tags: `return loaded(user, { tags: user.groups })`. */
export function loaded<Value>(value: Value, options: LoadedOptions): Loaded<Value> {
  return { [LOADED]: true, value, absent: false, options };
}

/** For a loader whose source has no such record. Returning undefined says the same. */
export function absent(options: LoadedOptions = {}): Loaded<never> {
  return { [LOADED]: true, value: undefined, absent: true, options };
}

export interface LoadContext {
  /** Aborted when the loader has taken longer than it may, or the client is closed. */
  readonly signal: AbortSignal;
}

/** Undefined: the source has no such record. */
export type Loader<Value> = (
  context: LoadContext,
) => Value | undefined | Loaded<Value> | Promise<Value | undefined | Loaded<Value>>;

/** The same, whichever way a loader put it. */
export function toLoaded<Value>(result: Value | undefined | Loaded<Value>): Loaded<Value> {
  if (typeof result === "object" && result !== null && LOADED in result) return result;
  return result === undefined ? absent() : loaded(result, {});
}
