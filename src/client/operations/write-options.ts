/** The options of writes, and the conditions of Sets and Increments. */

import { fieldInvalid } from "../../common/errors.ts";
import { checkUint64, checkWhole } from "../api/checks.ts";
import type { Duration } from "../api/duration.ts";
import { optionNames } from "../api/option-names.ts";
import type { EntryVersion } from "../api/results.ts";
import type { IncrementCondition, SetCondition } from "../messages/requests.ts";
import type { CallOptions } from "./runner.ts";

export interface SetOptions extends CallOptions {
  /** 0: until it is invalidated or evicted. Default: the namespace's. */
  readonly ttlMs?: Duration;
  /** Default: the namespace's, or 0 when `ttlMs` is 0. */
  readonly staleMs?: Duration;
  /** Up to 16 different tags; one that is named twice counts once. Invalidating any of them makes the entry gone. */
  readonly tags?: readonly string[];
  /** The version of this value at the source. A Set with an older version is refused. Default 0: none. */
  readonly sourceVersion?: bigint;
  /** Store only if there is no fresh entry ("absent"), there is one ("present"), or it has this version. */
  readonly when?: "absent" | "present" | EntryVersion;
}

export interface TouchOptions extends CallOptions {
  readonly ttlMs?: Duration;
  readonly staleMs?: Duration;
}

export interface IncrementOptions extends CallOptions {
  /** What a counter has before `delta` is added, when there is no fresh entry: a 64-bit integer. Default 0. */
  readonly initial?: bigint | number;
  /** Of a counter that this call creates; one that is there keeps its own. Default: the namespace's. */
  readonly ttlMs?: Duration;
  /** Of a counter that this call creates. Default: the namespace's, or 0 when `ttlMs` is 0. */
  readonly staleMs?: Duration;
  /** Add only if there is no fresh entry ("absent"), there is one ("present"), or it is fresh and has this version. */
  readonly when?: "absent" | "present" | EntryVersion;
}

export interface InvalidateOptions extends CallOptions {
  /** Makes the entries stale instead of gone: `getOrLoad` serves them while it loads. Default false. */
  readonly soft?: boolean;
  /**
   * With keys only: their new version at the source. Entries with this version or a later one stay. Default
   * 0: none.
   */
  readonly sourceVersion?: bigint;
}

export const SET_OPTIONS = optionNames<SetOptions>({
  deadlineMs: true,
  signal: true,
  ttlMs: true,
  staleMs: true,
  tags: true,
  sourceVersion: true,
  when: true,
});
export const TOUCH_OPTIONS = optionNames<TouchOptions>({
  deadlineMs: true,
  signal: true,
  ttlMs: true,
  staleMs: true,
});
export const INCREMENT_OPTIONS = optionNames<IncrementOptions>({
  deadlineMs: true,
  signal: true,
  initial: true,
  ttlMs: true,
  staleMs: true,
  when: true,
});
export const INVALIDATE_OPTIONS = optionNames<InvalidateOptions>({
  deadlineMs: true,
  signal: true,
  soft: true,
  sourceVersion: true,
});

const ALWAYS: IncrementCondition = { case: undefined };

/** Throws FIELD_INVALID. */
export function checkWhen(when: SetOptions["when"]): SetOptions["when"] {
  if (when === undefined || when === null) return undefined;
  if (when === "absent" || when === "present") return when;
  if (typeof when !== "object") throw fieldInvalid("when", '"absent", "present" or a version');
  return {
    epoch: checkUint64("when.epoch", when.epoch),
    revision: checkWhole("when.revision", when.revision, 1, Number.MAX_SAFE_INTEGER),
  };
}

/** A lease stands in for any other condition. */
export function toCondition(when: SetOptions["when"], leaseToken: bigint | undefined): SetCondition {
  return leaseToken === undefined ? toPlainCondition(when) : { case: "leaseToken", value: leaseToken };
}

export function toPlainCondition(when: SetOptions["when"]): IncrementCondition {
  if (when === undefined) return ALWAYS;
  if (when === "absent") return { case: "ifAbsent", value: true };
  if (when === "present") return { case: "ifPresent", value: true };
  return { case: "ifVersion", value: BigInt(when.revision) };
}
