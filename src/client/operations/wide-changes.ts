/**
 * Makes one event of those that an invalidated tag, prefix or namespace has, one of each shard. It is passed on when all shards
 * have applied the invalidation, so that who reads upon it reads the new state of every shard.
 *
 * The k-th event of a subject in one shard and the k-th in another belong to one invalidation, or to two of the same subject:
 * then there are as many events as invalidations too. What a shard has not sent yet is waited for until two pings are answered:
 * a subscription may have begun in the middle of an invalidation.
 */
import type { Change } from "../coherence/coherence.ts";

/** Subjects whose events have come of some shards only. Beyond that the oldest is passed on as it is. */
export const WIDE_CHANGES_MAX = 1_024;

interface Waiting<Told> {
  /** By shard, how many events of the subject have come. */
  readonly counts: number[];
  /** How many were passed on. */
  passed: number;
  /** Shards that have sent no more than were passed on. */
  missing: number;
  last: Told;
  /** Pings that were answered since the last event. */
  pings: number;
}

export class WideChanges<Told> {
  readonly #passOn: (event: Told) => void;
  readonly #waiting = new Map<string, Waiting<Told>>();

  constructor(passOn: (event: Told) => void) {
    this.#passOn = passOn;
  }

  /** `subject`: what the events of one invalidation have in common. `shards`: how many the store has, at least 2. */
  add(subject: string, { shard }: Change, shards: number, told: Told): void {
    const waiting = this.#waiting.get(subject) ?? this.#begin(subject, shards, told);
    const count = waiting.counts[shard] ?? 0;
    waiting.counts[shard] = count + 1;
    waiting.last = told;
    waiting.pings = 0;
    if (count === waiting.passed) waiting.missing -= 1;
    if (waiting.missing > 0) return;
    waiting.passed += 1;
    waiting.missing = waiting.counts.filter((sent) => sent === waiting.passed).length;
    if (waiting.missing === shards) this.#waiting.delete(subject);
    this.#passOn(told);
  }

  /** The server has answered a ping, and sent all events from before it. */
  pingAnswered(): void {
    for (const [subject, waiting] of this.#waiting) {
      waiting.pings += 1;
      if (waiting.pings < 2) continue;
      this.#waiting.delete(subject);
      this.#passOn(waiting.last);
    }
  }

  /** Events are missing: what was waited for may never come. */
  clear(): void {
    this.#waiting.clear();
  }

  #begin(subject: string, shards: number, told: Told): Waiting<Told> {
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size >= WIDE_CHANGES_MAX) {
      this.#waiting.delete(oldest[0]);
      this.#passOn(oldest[1].last);
    }
    const counts = new Array<number>(shards).fill(0);
    const waiting = { counts, passed: 0, missing: shards, last: told, pings: 0 };
    this.#waiting.set(subject, waiting);
    return waiting;
  }
}
