/**
 * Remembers the answers to recent Sets and Increments by their request ids: a retry gets the first answer again.
 *
 * Their number is bounded. When they are full, the namespace that has most of them loses its oldest one.
 */

import type { Stamp } from "../api/store.ts";
import type { Fingerprint, FingerprintOf } from "../hashing/fingerprint.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { OwnerLists, ownerListsBytes } from "../namespaces/owner-lists.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import type { AnswerKind } from "./request-answers.ts";

export const REQUEST_ID_MS = 60_000;

/** Cells of an answer. */
const UNTIL_MS_CELL = 0;
const REVISION_CELL = 1;
/** These are as in `KeptAnswer`. */
const OUTCOME_CELL = 2;
const VERSION_CELL = 3;
const VALUE_CELL = 4;
const FRESH_UNTIL_MS_CELL = 5;
const CELLS = 6;

/** The word of a fingerprint that the mark of a kind changes. The first one chooses the bucket. */
const MARKED_WORD = 3;

export function requestIdsBytes(maxCount: number, records: number): number {
  return alignedBytes(recordMapBytes(maxCount, CELLS)) + alignedBytes(ownerListsBytes(maxCount, records));
}

/** What names an operation that may be sent again, of one kind. */
interface RequestId {
  readonly namespace: string;
  readonly key: string;
  readonly requestId: bigint;
}

interface RequestIdsParts {
  /** The index of the shard. */
  readonly shard: number;
  readonly fingerprintOf: FingerprintOf;
  readonly namespaces: NamespaceTable;
  /** Called for each answer that the bound removes before its time. */
  readonly pruned: () => void;
}

export class RequestIds {
  readonly #fingerprintOf: FingerprintOf;
  readonly #maxCount: number;
  readonly #shard: number;
  readonly #pruned: () => void;
  /** The oldest first. */
  readonly #answers: RecordMap;
  /** In the same order. */
  readonly #owners: OwnerLists;
  /** A copy of the fingerprint that `once` works on: `run` has other fingerprints made in the shared array. */
  readonly #id: Fingerprint = new Uint32Array(4);

  constructor(region: Region, maxCount: number, parts: RequestIdsParts) {
    const { fingerprintOf, namespaces, shard, pruned } = parts;
    const cut = createCutter(region.buffer, region.begin);
    this.#answers = new RecordMap(cut(recordMapBytes(maxCount, CELLS)), maxCount, CELLS);
    this.#owners = new OwnerLists(cut(ownerListsBytes(maxCount, namespaces.records)), maxCount, namespaces);
    this.#fingerprintOf = fingerprintOf;
    this.#maxCount = maxCount;
    this.#shard = shard;
    this.#pruned = pruned;
  }

  get count(): number {
    return this.#answers.count;
  }

  parts(): MemoryPart[] {
    return [...this.#answers.parts(), ...this.#owners.parts(this.#answers.touched)];
  }

  /**
   * Returns the answer to the operation with this request id. The first time it calls `run`, and remembers what it returns.
   */
  once<Result extends { readonly asOf: Stamp }>(
    record: number,
    { namespace, key, requestId }: RequestId,
    nowMs: number,
    kind: AnswerKind<Result>,
    run: () => Result,
  ): Result {
    const answers = this.#answers;
    const id = this.#id;
    const fingerprint = this.#fingerprintOf(namespace, key, requestId);
    // Of so few words, `set` takes longer.
    for (let word = 0; word < id.length; word++) id[word] = fingerprint[word] ?? 0;
    id[MARKED_WORD] = (id[MARKED_WORD] ?? 0) ^ kind.mark;
    const slot = answers.find(id);
    if (slot !== 0 && nowMs < answers.number(slot, UNTIL_MS_CELL)) return this.#again(slot, kind, nowMs);
    const result = run();
    this.#remember(slot, record, result, kind, nowMs);
    return result;
  }

  #again<Result extends { readonly asOf: Stamp }>(
    slot: number,
    kind: AnswerKind<Result>,
    nowMs: number,
  ): Result {
    const answers = this.#answers;
    const kept = {
      outcome: answers.number(slot, OUTCOME_CELL),
      version: answers.number(slot, VERSION_CELL),
      value: BigInt.asIntN(64, answers.bigint(slot, VALUE_CELL)),
      freshUntilMs: answers.number(slot, FRESH_UNTIL_MS_CELL),
    };
    const asOf = { shard: this.#shard, revision: answers.number(slot, REVISION_CELL) };
    return kind.again(kept, asOf, nowMs);
  }

  /** Writes the answer into the slot of an expired one, or into a new slot when `former` is 0. */
  #remember<Result extends { readonly asOf: Stamp }>(
    former: number,
    record: number,
    result: Result,
    kind: AnswerKind<Result>,
    nowMs: number,
  ): void {
    const answers = this.#answers;
    let slot = former;
    if (slot !== 0) {
      answers.moveToNewest(slot);
      this.#owners.moveToNewest(slot);
    } else {
      if (answers.count === this.#maxCount && !this.#makeRoom(record, nowMs)) return;
      slot = answers.insert(this.#id);
      this.#owners.add(slot, record);
    }
    const kept = kind.keep(result, nowMs);
    answers.setNumber(slot, UNTIL_MS_CELL, nowMs + REQUEST_ID_MS);
    answers.setNumber(slot, REVISION_CELL, result.asOf.revision);
    answers.setNumber(slot, OUTCOME_CELL, kept.outcome);
    answers.setNumber(slot, VERSION_CELL, kept.version);
    answers.setBigint(slot, VALUE_CELL, BigInt.asUintN(64, kept.value));
    answers.setNumber(slot, FRESH_UNTIL_MS_CELL, kept.freshUntilMs);
    if (nowMs >= answers.number(answers.oldest(), UNTIL_MS_CELL)) this.#expire(nowMs);
  }

  /** False: nobody has more than one. */
  #makeRoom(causer: number, nowMs: number): boolean {
    this.#expire(nowMs);
    if (this.#answers.count < this.#maxCount) return true;
    this.#pruned();
    const payer = this.#owners.payerFor(causer);
    if (payer !== causer && this.#owners.countOf(payer) === 1) return false;
    const oldest = this.#owners.oldestOf(payer);
    this.#owners.remove(oldest);
    this.#answers.remove(oldest);
    return true;
  }

  #expire(nowMs: number): void {
    const answers = this.#answers;
    answers.removeOldest((oldest) => {
      if (nowMs < answers.number(oldest, UNTIL_MS_CELL)) return false;
      this.#owners.remove(oldest);
      return true;
    });
  }
}
