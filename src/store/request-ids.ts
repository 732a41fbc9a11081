/** Remembers the answers to recent Sets by their request ids, so that a retry is answered as the first was. */
import type { Fingerprint, FingerprintOf } from "./shared/fingerprint.ts";
import { RecordMap, recordMapBytes } from "./shared/record-map.ts";
import type { Region } from "./shared/region.ts";
import type { SetResult } from "./store.ts";

export const requestIdMs = 60_000;

/** Cells of an answer. */
const untilMsCell = 0;
/** 0: stored; else one more than the place of the reason why not. */
const outcomeCell = 1;
const revisionCell = 2;
/** When stored. */
const versionCell = 3;
const cells = 4;

/** A reason that is missing here is a type error where it is looked for. */
const reasons = ["exists", "absent", "versionMismatch", "leaseLost", "olderSourceVersion"] as const;

export function requestIdsBytes(maxCount: number): number {
  return recordMapBytes(maxCount, cells);
}

export class RequestIds {
  readonly #fingerprintOf: FingerprintOf;
  readonly #maxCount: number;
  readonly #shard: number;
  /** Oldest first, so that expiry and the bound both take from the front. */
  readonly #answers: RecordMap;

  /** Of the shard of this index. */
  constructor(region: Region, fingerprintOf: FingerprintOf, maxCount: number, shard: number) {
    this.#answers = new RecordMap(region, maxCount, cells);
    this.#fingerprintOf = fingerprintOf;
    this.#maxCount = maxCount;
    this.#shard = shard;
  }

  get count(): number {
    return this.#answers.count;
  }

  answer(namespace: string, key: string, requestId: bigint, nowMs: number): SetResult | undefined {
    const answers = this.#answers;
    if (answers.count === 0) return undefined;
    const slot = answers.find(this.#idOf(namespace, key, requestId));
    if (slot === 0 || nowMs >= answers.number(slot, untilMsCell)) return undefined;
    const asOf = { shard: this.#shard, revision: answers.number(slot, revisionCell) };
    const reason = reasons[answers.number(slot, outcomeCell) - 1];
    return reason === undefined
      ? { kind: "stored", asOf, version: answers.number(slot, versionCell) }
      : { kind: "notStored", asOf, reason };
  }

  remember(namespace: string, key: string, requestId: bigint, result: SetResult, nowMs: number): void {
    const answers = this.#answers;
    const id = this.#idOf(namespace, key, requestId);
    let slot = answers.find(id);
    if (slot !== 0) {
      answers.moveToNewest(slot);
    } else {
      if (answers.count === this.#maxCount) answers.remove(answers.oldest());
      slot = answers.insert(id);
    }
    const isStored = result.kind === "stored";
    answers.setNumber(slot, untilMsCell, nowMs + requestIdMs);
    answers.setNumber(slot, outcomeCell, isStored ? 0 : reasons.indexOf(result.reason) + 1);
    answers.setNumber(slot, revisionCell, result.asOf.revision);
    answers.setNumber(slot, versionCell, isStored ? result.version : 0);
    answers.removeOldest((oldest) => nowMs >= answers.number(oldest, untilMsCell));
  }

  /** Unambiguous, since no namespace has a colon in it. */
  #idOf(namespace: string, key: string, requestId: bigint): Fingerprint {
    return this.#fingerprintOf(`${requestId}:${namespace}`, key);
  }
}
