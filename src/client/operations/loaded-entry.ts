/** What a load gives to its callers: the entry, and a value of its own for each of several callers. */
import type { Loaded, LoadedOptions } from "../api/load-result.ts";
import type { Entry, EntryVersion } from "../api/results.ts";
import type { ShapedValue } from "./shaped-value.ts";

/** The version is undefined when the loaded value was not stored. */
export type LoadedEntry<Value> = Exclude<Entry<Value>, { kind: "miss" }>;

export interface LoadResult<Value> {
  readonly entry: LoadedEntry<Value>;
  /** Makes the value of one more caller. Undefined: all callers share the entry's. */
  readonly another: (() => Value) | undefined;
}

/** What a run of a loader returned. */
export interface RanLoad<Value> {
  readonly loaded: Loaded<Value>;
  readonly shape: ShapedValue<Value>;
}

/** For each of several callers: a value that no other caller can change. */
export function shareResult<Value>(result: LoadResult<Value>): LoadResult<Value> {
  const { entry, another } = result;
  if (another === undefined || entry.kind !== "hit") return result;
  return { entry: { ...entry, value: another() }, another };
}

/** As `shareResult`, for a run that several loads share. */
export function shareRan<Value>(ran: RanLoad<Value>): RanLoad<Value> {
  const { another } = ran.shape;
  return another === undefined ? ran : { ...ran, shape: { ...ran.shape, value: another() } };
}

/** `said`: what the loader and the call say about the value. `stored`: what the server has stored. */
export function toResult<Value>(
  { shape: { value, another } }: RanLoad<Value>,
  said: LoadedOptions,
  stored?: { readonly version: EntryVersion; readonly ttlRemainingMs: number },
): LoadResult<Value> {
  const facts = {
    version: stored?.version,
    sourceVersion: said.sourceVersion ?? 0n,
    ageMs: 0,
    copyAgeMs: 0,
    ttlRemainingMs: stored?.ttlRemainingMs ?? 0,
    stale: false,
    tags: said.tags ?? [],
    contentType: "",
    source: "loader",
  } as const;
  if (value === undefined) return { entry: { kind: "absent", ...facts }, another: undefined };
  return { entry: { kind: "hit", value, ...facts }, another };
}
