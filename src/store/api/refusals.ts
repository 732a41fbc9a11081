/** Why a Set or an Increment did not take effect, in the order by which answers that are kept or sent as bytes number it. */
import type { IncrementRefusal, NotStoredReason } from "./store.ts";

export const SET_REASONS: readonly NotStoredReason[] = [
  "exists",
  "absent",
  "versionMismatch",
  "leaseLost",
  "olderSourceVersion",
];

export const INCREMENT_REASONS: readonly IncrementRefusal[] = [
  "exists",
  "absent",
  "versionMismatch",
  "notACounter",
  "overflow",
];
