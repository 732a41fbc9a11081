/** Remembers the answers to recent Sets by their request ids: a retry gets the first answer again. */

import type { SetResult } from "../api/store.ts";
import type { Fingerprint, FingerprintOf } from "../hashing/fingerprint.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import type { Region } from "../shm/region.ts";

export const REQUEST_ID_MS = 60_000;

/** Cells of an answer. */
const UNTIL_MS_CELL = 0;
/** 0: stored. Else the index of the reason, plus one. */
const OUTCOME_CELL = 1;
const REVISION_CELL = 2;
/** Only when stored. */
const VERSION_CELL = 3;
const CELLS = 4;

/** A missing reason is a type error in `#remember`. */
const REASONS = ["exists", "absent", "versionMismatch", "leaseLost", "olderSourceVersion"] as const;

export function requestIdsBytes(maxCount: number): number {
  return recordMapBytes(maxCount, CELLS);
}

export class RequestIds {
  readonly #fingerprintOf: FingerprintOf;
  readonly #maxCount: number;
  readonly #shard: number;
  /** The oldest first: expiry and the bound remove from the front. */
  readonly #answers: RecordMap;
  /** A copy of the fingerprint that `once` works on: `run` has other fingerprints made in the shared array. */
  readonly #id: Fingerprint = new Uint32Array(4);

  /** `shard`: the index of the shard. */
  constructor(region: Region, fingerprintOf: FingerprintOf, maxCount: number, shard: number) {
    this.#answers = new RecordMap(region, maxCount, CELLS);
    this.#fingerprintOf = fingerprintOf;
    this.#maxCount = maxCount;
    this.#shard = shard;
  }

  get count(): number {
    return this.#answers.count;
  }

  /** Returns the answer to the Set with this request id. The first time it calls `run`, and remembers what it returns. */
  once(namespace: string, key: string, requestId: bigint, nowMs: number, run: () => SetResult): SetResult {
    const answers = this.#answers;
    this.#id.set(this.#fingerprintOf(namespace, key, requestId));
    const slot = answers.find(this.#id);
    if (slot !== 0 && nowMs < answers.number(slot, UNTIL_MS_CELL)) return this.#answerAt(slot);
    const result = run();
    this.#remember(slot, result, nowMs);
    return result;
  }

  #answerAt(slot: number): SetResult {
    const answers = this.#answers;
    const asOf = { shard: this.#shard, revision: answers.number(slot, REVISION_CELL) };
    const reason = REASONS[answers.number(slot, OUTCOME_CELL) - 1];
    return reason === undefined
      ? { kind: "stored", asOf, version: answers.number(slot, VERSION_CELL) }
      : { kind: "notStored", asOf, reason };
  }

  /** Writes the answer into the slot of an expired one, or into a new slot when `former` is 0. */
  #remember(former: number, result: SetResult, nowMs: number): void {
    const answers = this.#answers;
    let slot = former;
    if (slot !== 0) {
      answers.moveToNewest(slot);
    } else {
      if (answers.count === this.#maxCount) answers.remove(answers.oldest());
      slot = answers.insert(this.#id);
    }
    const isStored = result.kind === "stored";
    answers.setNumber(slot, UNTIL_MS_CELL, nowMs + REQUEST_ID_MS);
    answers.setNumber(slot, OUTCOME_CELL, isStored ? 0 : REASONS.indexOf(result.reason) + 1);
    answers.setNumber(slot, REVISION_CELL, result.asOf.revision);
    answers.setNumber(slot, VERSION_CELL, isStored ? result.version : 0);
    if (nowMs >= answers.number(answers.oldest(), UNTIL_MS_CELL)) this.#expire(nowMs);
  }

  #expire(nowMs: number): void {
    const answers = this.#answers;
    answers.removeOldest((oldest) => nowMs >= answers.number(oldest, UNTIL_MS_CELL));
  }
}
