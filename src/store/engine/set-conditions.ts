/** Decides whether a Set or an Increment may store, by its condition, its lease and its source version. */

import type {
  IncrementCommand,
  IncrementRefusal,
  NotStoredReason,
  SetCommand,
  SetCondition,
} from "../api/store.ts";
import type { TableEntry } from "../api/table.ts";
import type { Lineage } from "../events/lineage.ts";
import type { Fences } from "../fences/fences.ts";
import type { Leases } from "../leases/leases.ts";
import type { EntryState } from "./entries.ts";

/** What the shard has for the key of a Set. */
interface FormerEntry {
  /** Of the namespace. */
  readonly record: number;
  readonly entry: TableEntry | undefined;
  readonly state: EntryState;
  /** The greatest source version known for the key. */
  readonly sourceVersion: bigint;
}

export class SetConditions {
  readonly #lineage: Lineage;
  /** The index of the shard. */
  readonly #shard: number;
  readonly #leases: Leases;
  readonly #fences: Fences;

  constructor(lineage: Lineage, shard: number, leases: Leases, fences: Fences) {
    this.#lineage = lineage;
    this.#shard = shard;
    this.#leases = leases;
    this.#fences = fences;
  }

  /** A version that was read in this epoch is one of this store. 0n: the caller does not say. */
  isEpochOf(version: number, epoch: bigint): boolean {
    return epoch === 0n || this.#lineage.has(epoch, this.#shard, version);
  }

  /** The reason why the Set may not store; `undefined` when it may. */
  refusal(command: SetCommand, former: FormerEntry): NotStoredReason | undefined {
    const { sourceVersion } = command;
    return (
      this.#conditionRefusal(command, former) ??
      (sourceVersion !== 0n && sourceVersion < former.sourceVersion ? "olderSourceVersion" : undefined)
    );
  }

  /** The reason why the Increment may not add to what is fresh; `undefined` when its condition holds. */
  incrementRefusal(
    { condition }: IncrementCommand,
    fresh: TableEntry | undefined,
  ): IncrementRefusal | undefined {
    switch (condition.kind) {
      case "always":
        return undefined;
      case "ifAbsent":
        return fresh === undefined ? undefined : "exists";
      case "ifPresent":
        return fresh === undefined ? "absent" : undefined;
      case "ifVersion":
        return fresh?.version === condition.version && this.isEpochOf(fresh.version, condition.epoch)
          ? undefined
          : "versionMismatch";
      default:
        return condition satisfies never;
    }
  }

  #conditionRefusal(command: SetCommand, former: FormerEntry): NotStoredReason | undefined {
    const { condition } = command;
    switch (condition.kind) {
      case "always":
        return undefined;
      case "ifAbsent":
        return former.state === "fresh" ? "exists" : undefined;
      case "ifPresent":
        return former.state === "fresh" ? undefined : "absent";
      case "ifVersion":
        return this.#isVersion(condition, former) ? undefined : "versionMismatch";
      case "lease":
        return this.#isLeaseGood(command, former.record, condition.token) ? undefined : "leaseLost";
      default:
        return condition satisfies never;
    }
  }

  #isVersion(
    condition: Extract<SetCondition, { kind: "ifVersion" }>,
    { entry, state }: FormerEntry,
  ): boolean {
    const isValid = state === "fresh" || state === "pastTtl";
    return (
      isValid && entry?.version === condition.version && this.isEpochOf(condition.version, condition.epoch)
    );
  }

  #isLeaseGood(command: SetCommand, record: number, token: bigint): boolean {
    const { namespace, key, tags } = command;
    const revision = this.#leases.issuedAtRevision(namespace, key, token);
    // Invalidations of key, prefix and namespace have ended the lease already. Those of tags are known only with the Set.
    return revision !== undefined && !this.#fences.anyTagSince(record, namespace, tags, revision);
  }
}
