/** What the operations of a namespace return. A miss and a refused write are results, never errors. */

/** Names one Set of one key. Pass it back as `when` of a Set; compare versions for equality only. */
export interface EntryVersion {
  /** Names one life of the store: a restart makes another. */
  readonly epoch: bigint;
  readonly revision: number;
}

export type Outcome<Value> = OutageMark &
  (
    | { readonly kind: "hit"; readonly value: Value }
    /** The cache has no entry for the key. */
    | { readonly kind: "miss" }
    /** The cache knows that the source has no such record. */
    | { readonly kind: "absent" }
  );

export interface OutageMark {
  /** No server could be asked, and it is served as `outageTtlMs` of the namespace allows: it may be out of date. */
  readonly outage?: true;
}

/** Where an entry came from: this process's near cache, the server, or the loader of this very call. */
export type EntrySource = "near" | "remote" | "loader";

/** What an entry of the kind "hit" or "absent" has beside its value. */
export interface EntryFacts {
  /** Undefined: the value was loaded and not stored, so it has no version. */
  readonly version: EntryVersion | undefined;
  /** The version that the source gave at the Set. 0n: none. */
  readonly sourceVersion: bigint;
  /**
   * How long ago the value was set, in milliseconds, in the cache and in this process together; up to a round trip too
   * much. `touch` does not change it. 0: it was loaded in this call.
   */
  readonly ageMs: number;
  /** How long ago the server was asked for it, in milliseconds. 0: in this call. */
  readonly copyAgeMs: number;
  /** How long it stays fresh from now, in milliseconds. Infinity: it has no TTL. 0: it is stale. */
  readonly ttlRemainingMs: number;
  readonly stale: boolean;
  readonly tags: readonly string[];
  readonly contentType: string;
  readonly source: EntrySource;
}

export type Entry<Value> = OutageMark &
  (
    | (EntryFacts & { readonly kind: "hit"; readonly value: Value })
    | (EntryFacts & { readonly kind: "absent" })
    | { readonly kind: "miss"; readonly source: EntrySource; readonly copyAgeMs: number }
  );

/**
 * Why a Set was refused; nothing was changed. "exists", "absent" and "versionMismatch": its condition did not hold.
 * "leaseLost": the key changed during the load. "olderSourceVersion": the server knows a newer one of the source.
 */
export type RefusalReason = "exists" | "absent" | "versionMismatch" | "leaseLost" | "olderSourceVersion";

export type SetOutcome =
  | { readonly kind: "stored"; readonly version: EntryVersion }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

/**
 * Why an Increment was refused; nothing was changed. "exists", "absent" and "versionMismatch": its condition did not hold.
 * "notACounter": the entry has another value than a 64-bit integer as decimal text. "overflow": the sum has more than 64 bits.
 */
export type IncrementRefusalReason = "exists" | "absent" | "versionMismatch" | "notACounter" | "overflow";

export type IncrementOutcome =
  | {
      readonly kind: "incremented";
      /**
       * The counter after this call: a bigint, since it may have 64 bits. As a number, digits of large ones would be lost; to
       * throw would hide that it was added. `Number(value)` is exact up to 2^53 - 1.
       */
      readonly value: bigint;
      readonly version: EntryVersion;
      /** How long the counter stays fresh, in milliseconds. Infinity: it has no TTL. */
      readonly ttlRemainingMs: number;
      /** There was no fresh entry: the counter began with `initial` and has the lifetimes of this call. */
      readonly created: boolean;
    }
  | { readonly kind: "refused"; readonly reason: IncrementRefusalReason };

/** What a listing says of a key. */
export interface KeyFacts {
  readonly key: string;
  readonly version: EntryVersion;
  /** The size of the value as it is stored: compressed, where it is. */
  readonly valueBytes: number;
  /** How long the entry stays fresh, in milliseconds, when its page was made. Infinity: it has no TTL. 0: it is stale. */
  readonly ttlRemainingMs: number;
  readonly stale: boolean;
  /** The entry says that the source has no such record. */
  readonly absent: boolean;
}

export interface InvalidateOutcome {
  /** With keys: how many entries were removed, or made stale. With any other target 0: what that removes is not counted. */
  readonly removed: number;
}

export const MISS: Outcome<never> = Object.freeze({ kind: "miss" });
export const ABSENT: Outcome<never> = Object.freeze({ kind: "absent" });
