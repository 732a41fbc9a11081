/** What the operations of a namespace answer. A miss or a refused write is an answer, never an error. */

/** Names one Set of one key. Opaque: pass it back as `when` of a Set. */
export interface EntryVersion {
  /** The life of the store that gave it. */
  readonly epoch: bigint;
  readonly revision: number;
}

export type Outcome<Value> =
  | { readonly kind: "hit"; readonly value: Value }
  /** The cache knows nothing of the key. */
  | { readonly kind: "miss" }
  /** The cache knows that the source has no such record. */
  | { readonly kind: "absent" };

/** Where an entry came from: this process's near cache, the server, or the loader of this very call. */
export type EntrySource = "near" | "remote" | "loader";

/** What `hit` and `absent` entries have beside the value. */
export interface EntryFacts {
  /** Undefined: the value was loaded and not stored, so it has no version. */
  readonly version: EntryVersion | undefined;
  /** The version that the source gave at the Set. 0n: none. */
  readonly sourceVersion: bigint;
  /** How long ago the server was asked for it, in milliseconds: 0 when it was just now. */
  readonly ageMs: number;
  /** How long it stays fresh from now. Infinity: it has no TTL. 0: it is stale. */
  readonly ttlRemainingMs: number;
  readonly stale: boolean;
  readonly tags: readonly string[];
  readonly contentType: string;
  readonly source: EntrySource;
}

export type Entry<Value> =
  | (EntryFacts & { readonly kind: "hit"; readonly value: Value })
  | (EntryFacts & { readonly kind: "absent" })
  | { readonly kind: "miss"; readonly source: EntrySource; readonly ageMs: number };

/** Why a Set was refused. Each one is an ordinary answer to a condition, and nothing was changed. */
export type RefusalReason = "exists" | "absent" | "versionMismatch" | "leaseLost" | "olderSourceVersion";

export type SetOutcome =
  | { readonly kind: "stored"; readonly version: EntryVersion }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

export interface InvalidateOutcome {
  /** With keys: how many entries went. With any other target 0, for a fence does not count what it covers. */
  readonly removed: number;
}

export const MISS: Outcome<never> = Object.freeze({ kind: "miss" });
export const ABSENT: Outcome<never> = Object.freeze({ kind: "absent" });
