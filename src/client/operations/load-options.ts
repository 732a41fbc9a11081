/** The options of a load: their meaning, ranges and defaults. */

import { LONGEST_WAIT_MS } from "../../common/longest-wait.ts";
import {
  checkEntryTags,
  checkFlag,
  checkLifetimeMs,
  checkOptions,
  checkSignal,
  checkStalenessMs,
  checkUint64,
  durationOption,
  unreadable,
} from "../api/checks.ts";
import type { Duration } from "../api/duration.ts";
import { LOADED_OPTIONS, type LoadedOptions } from "../api/load-result.ts";
import { optionNames } from "../api/option-names.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import type { CallOptions } from "./runner.ts";
import type { JoinOptions } from "./singleflight.ts";

export interface LoadOptions extends CallOptions, LoadedOptions {
  /** As in a read. */
  readonly maxStalenessMs?: Duration;
  /**
   * How long to wait for a fresh value before a stale one is served, if there is one. 0 to 600,000; default 0: a stale
   * value is served at once.
   */
  readonly softTimeoutMs?: Duration;
  /**
   * How long the loader may take. Then the load fails with LOADER_TIMEOUT. 1 to 600,000; default 10,000. The value of a
   * loader that takes longer than the server's longest lease (60 s unless configured) is returned and not stored.
   */
  readonly hardTimeoutMs?: Duration;
  /**
   * How long to wait for the load of another process: 0 to 600,000; default 30,000. Then the loader runs here, and its value
   * is not kept. A lease ends at once with the stream of a process that dies; while nobody sees that the stream has ended, it
   * is held for `hardTimeoutMs` plus 2 s at most.
   */
  readonly waitMs?: Duration;
  /**
   * Shortens the wait for a server and for the load of another process: then the loader runs here, and its value is not
   * kept. A caller whose loader, or that of another caller here, runs already rejects with DEADLINE: `hardTimeoutMs` bounds
   * the loader, and `signal` the whole. 1 to 600,000; default: no deadline but `waitMs`.
   */
  readonly deadlineMs?: Duration;
  /**
   * When no server answers, or there is no lease in time: run the loader and store nothing (true, the default), or fail.
   * Once the loader has returned, the call never fails.
   */
  readonly failOpen?: boolean;
}

export const LOAD_OPTIONS = optionNames<LoadOptions>({
  deadlineMs: true,
  signal: true,
  ttlMs: true,
  staleMs: true,
  tags: true,
  sourceVersion: true,
  maxStalenessMs: true,
  softTimeoutMs: true,
  hardTimeoutMs: true,
  waitMs: true,
  failOpen: true,
});

/** What was said of a value, checked: times in milliseconds. */
export interface CheckedLoaded extends LoadedOptions {
  readonly ttlMs?: number;
  readonly staleMs?: number;
}

/** How to load, with the options checked and their defaults filled in. */
export interface LoadPlan {
  readonly entry: CheckedLoaded;
  readonly failOpen: boolean;
  readonly softTimeoutMs: number;
  readonly hardTimeoutMs: number;
  readonly waitMs: number;
  /** What one caller of a shared load may decide. */
  readonly join: JoinOptions;
}

/** Throws FIELD_INVALID. */
export function toLoadPlan(options: LoadOptions, limits: ServerLimits): LoadPlan {
  const { ttlMs, staleMs, tags, sourceVersion } = options;
  return {
    entry: checkLoaded({ ttlMs, staleMs, tags, sourceVersion } as LoadedOptions, limits),
    failOpen: checkFlag("failOpen", options.failOpen, true),
    softTimeoutMs: durationOption("softTimeoutMs", options.softTimeoutMs, 0, 0, LONGEST_WAIT_MS),
    hardTimeoutMs: durationOption("hardTimeoutMs", options.hardTimeoutMs, 10_000, 1, LONGEST_WAIT_MS),
    waitMs: durationOption("waitMs", options.waitMs, 30_000, 0, LONGEST_WAIT_MS),
    join: {
      deadlineMs: isGiven(options.deadlineMs)
        ? durationOption("deadlineMs", options.deadlineMs, 0, 1, LONGEST_WAIT_MS)
        : undefined,
      signal: checkSignal(options.signal),
      maxStalenessMs: checkStalenessMs(options.maxStalenessMs),
    },
  };
}

/** Copies the options that are given, reading each of them once. Throws FIELD_INVALID. */
export function checkLoaded(given: LoadedOptions, limits: ServerLimits): CheckedLoaded {
  try {
    const { ttlMs, staleMs, tags, sourceVersion }: LoadedOptions = checkOptions(given, LOADED_OPTIONS);
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
