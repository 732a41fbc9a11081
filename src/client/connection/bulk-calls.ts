/**
 * The calls of bulk operations that wait for room in the window, and how many of the others may be under way: so many that
 * the server is kept at work, and so few that a single call behind them is soon sent and answered.
 */
import { Fifo } from "../../common/fifo.ts";
import type { Call } from "./pending-call.ts";

/** Eight full messages. */
const UNDER_WAY_MAX = 1_024;
/** The first ones, before any answer has said how large answers are; each answer lets one more be under way. */
const UNDER_WAY_FIRST = 128;
/** The bytes of answers under way, going by the size of the last answers: what a single call may have to wait for. */
const ANSWERS_MAX_BYTES = 4 * 2 ** 20;
/** The share of a new answer in the average: quick to follow larger answers, and slow to forget them. */
const LARGER_SHARE = 1 / 4;
const SMALLER_SHARE = 1 / 32;

export class BulkCalls {
  /** They wait for nobody else's reads and Sets. */
  readonly #invalidations = new Fifo<Call>();
  readonly #others = new Fifo<Call>();
  readonly #underWayMax: number;
  #underWayLimit: number;
  #underWay = 0;
  #answerBytes = 0;

  /** Takes at most half of a window of so many operations. */
  constructor(windowMaxOperations: number) {
    this.#underWayMax = Math.max(1, Math.min(UNDER_WAY_MAX, Math.floor(windowMaxOperations / 2)));
    this.#underWayLimit = Math.min(UNDER_WAY_FIRST, this.#underWayMax);
  }

  /** How many wait, some of which may be settled. All are forgotten once all are settled. */
  get waiting(): number {
    dropSettled(this.#invalidations);
    dropSettled(this.#others);
    return this.#invalidations.length + this.#others.length;
  }

  waitingCalls(): Call[] {
    return [...this.#invalidations.toArray(), ...this.#others.toArray()];
  }

  push(call: Call): void {
    (call.plan.invalidates ? this.#invalidations : this.#others).push(call);
  }

  /** Takes the next call that `hasRoom` has room for. */
  take(hasRoom: (call: Call) => boolean): Call | undefined {
    return (
      takeFrom(this.#invalidations, hasRoom) ?? (this.#mayBegin ? takeFrom(this.#others, hasRoom) : undefined)
    );
  }

  /** Takes all that wait. */
  drain(): Call[] {
    const calls = this.waitingCalls();
    this.#invalidations.clear();
    this.#others.clear();
    return calls;
  }

  begun(call: Call): void {
    if (!call.plan.invalidates) this.#underWay += 1;
  }

  ended({ plan, answerBytes }: Call): void {
    if (plan.invalidates) return;
    this.#underWay -= 1;
    if (answerBytes === undefined) return;
    this.#underWayLimit = Math.min(this.#underWayMax, this.#underWayLimit + 1);
    const difference = answerBytes - this.#answerBytes;
    this.#answerBytes += difference * (difference > 0 ? LARGER_SHARE : SMALLER_SHARE);
  }

  get #mayBegin(): boolean {
    if (this.#underWay === 0) return true;
    const answers = (this.#underWay + 1) * this.#answerBytes;
    return this.#underWay < this.#underWayLimit && answers <= ANSWERS_MAX_BYTES;
  }
}

function takeFrom(calls: Fifo<Call>, hasRoom: (call: Call) => boolean): Call | undefined {
  dropSettled(calls);
  const call = calls.peek();
  if (call === undefined || !hasRoom(call)) return undefined;
  return calls.shift();
}

/** Drops the settled calls in front of the first one that is not. */
function dropSettled(calls: Fifo<Call>): void {
  while (calls.peek()?.settled) calls.shift();
}
