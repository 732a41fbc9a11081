/** The options of a load: their meaning, ranges and defaults. */
import {
  checkEntryTags,
  checkFlag,
  checkKey,
  checkLifetimeMs,
  checkOptions,
  checkSignal,
  checkStalenessMs,
  checkUint64,
  checkWhole,
  unreadable,
} from "../api/checks.ts";
import type { LoadedOptions, Loader } from "../api/load-result.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import type { CallOptions } from "./runner.ts";
import type { JoinOptions } from "./singleflight.ts";

export interface LoadOptions extends CallOptions, LoadedOptions {
  /** As in a read. */
  readonly maxStalenessMs?: number;
  /**
   * How long to wait for a fresh value before a stale one is served, if there is one. 0 to 600,000; default 0: a stale
   * value is served at once.
   */
  readonly softTimeoutMs?: number;
  /**
   * How long the loader may take. Then the load fails with LOADER_TIMEOUT. 1 to 600,000; default 10,000. The value of a
   * loader that takes longer than the server's longest lease (60 s unless configured) is returned and not stored.
   */
  readonly hardTimeoutMs?: number;
  /**
   * How long to wait for the load of another process: 0 to 600,000; default 30,000. A process that dies during a load
   * holds its lease for `hardTimeoutMs` plus 2 s. With a shorter wait, callers of other processes fail with DEADLINE.
   */
  readonly waitMs?: number;
  /** When no server answers: run the loader and store nothing (true, the default), or fail. */
  readonly failOpen?: boolean;
}

const LONGEST_WAIT_MS = 600_000;

/** One load, with its options checked and their defaults filled in. */
export interface LoadPlan<Value> {
  readonly key: string;
  readonly loader: Loader<Value>;
  readonly entry: LoadedOptions;
  readonly failOpen: boolean;
  readonly softTimeoutMs: number;
  readonly hardTimeoutMs: number;
  readonly waitMs: number;
}

/** Throws FIELD_INVALID. */
export function toLoadPlan<Value>(
  key: string,
  loader: Loader<Value>,
  options: LoadOptions,
  limits: ServerLimits,
): LoadPlan<Value> {
  return {
    key: checkKey(key, limits),
    loader,
    entry: checkLoaded(options, limits),
    failOpen: checkFlag("failOpen", options.failOpen, true),
    softTimeoutMs: checkWhole("softTimeoutMs", options.softTimeoutMs ?? 0, 0, LONGEST_WAIT_MS),
    hardTimeoutMs: checkWhole("hardTimeoutMs", options.hardTimeoutMs ?? 10_000, 1, LONGEST_WAIT_MS),
    waitMs: checkWhole("waitMs", options.waitMs ?? 30_000, 0, LONGEST_WAIT_MS),
  };
}

/** What one caller of a shared load may decide. Throws FIELD_INVALID. */
export function toJoinOptions(options: LoadOptions): JoinOptions {
  return {
    deadlineMs: options.deadlineMs ?? undefined,
    signal: checkSignal(options.signal),
    maxStalenessMs: checkStalenessMs(options.maxStalenessMs),
  };
}

/** Copies the options that are given, reading each of them once. Throws FIELD_INVALID. */
export function checkLoaded(given: LoadedOptions, limits: ServerLimits): LoadedOptions {
  try {
    const { ttlMs, staleMs, tags, sourceVersion }: LoadedOptions = checkOptions(given);
    return {
      ...(isGiven(ttlMs) && { ttlMs: checkLifetimeMs("ttlMs", ttlMs, 0, limits) }),
      ...(isGiven(staleMs) && { staleMs: checkLifetimeMs("staleMs", staleMs, 0, limits) }),
      ...(isGiven(tags) && { tags: checkEntryTags(tags, limits) }),
      ...(isGiven(sourceVersion) && { sourceVersion: checkUint64("sourceVersion", sourceVersion) }),
    };
  } catch (error) {
    throw unreadable("options", error);
  }
}

const isGiven = (option: unknown): boolean => option !== undefined && option !== null;
