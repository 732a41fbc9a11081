/**
 * Coherence: decides what may enter a near cache (the fill rule) and what may be served from it (the hit
 * rule). It keeps no values and knows no network: it is told facts, and answers questions.
 *
 * THE PROMISE. Let L be the lease, measured by this process's monotonic clock from the moment it *sent* the
 * last ping that was answered. A near cache serves a local value at time t only if it had been current on the
 * server at some moment after t - L, and, while the stream is connected and caught up, it serves nothing whose
 * invalidation has been received. A process always reads its own writes.
 *
 * THE FILL RULE. A response may enter the near cache only if
 *   1. its epoch is the current one, and
 *   2. the subscription covering the key was live before the request was sent, and
 *   3. no event with a revision greater than the response's `as_of` that matches its key, its tags or its
 *      prefix has been applied for that shard.
 * Otherwise the value is returned and not kept. There are no placeholders to leak.
 *
 * THE HIT RULE. On every local read, not in a timer: now - lastAnsweredPingSentAt <= L, the entry is inside
 * its TTL (aged from request send), and the stream is not between a disconnect and its catch-up. Otherwise go
 * to the server.
 *
 * GAP: REVALIDATE, NOT FLUSH. After a gap or an epoch change entries become suspect: unusable until
 * revalidated with `if_version`. Versions of different epochs have nothing to do with each other, so a suspect
 * of an older epoch is read anew.
 *
 * One Exchange stream delivers an event before every response that reflects it, so condition 3 decides in
 * three cases only: an answer that waited, for its batch's lease or for the client to read, an answer to one's
 * own write, and the moments in which a client moves from a draining server to the next and listens to both.
 */
import type { Clock } from "../../common/clock.ts";
import { createRecentChanges, type RecentChanges } from "./recent-changes.ts";

/** One mutation, as an event or the answer to an own write tells it. */
export interface Change {
  readonly shard: number;
  /** The shard just after the mutation. */
  readonly revision: number;
  readonly namespace: string;
  readonly target: "key" | "tag" | "prefix" | "all";
  /** The key, tag or prefix; empty for "all". */
  readonly name: string;
}

/** The `as_of` of a response: the shard when it was answered. */
export interface AsOf {
  readonly epoch: bigint;
  readonly shard: number;
  readonly revision: number;
}

/** What the hit rule needs to know about a local copy. */
export interface Servable {
  /** Of `Coherence.generation` when it was filled or last revalidated. */
  readonly generation: number;
  /** The copy is inside its TTL before this instant, at which it is past it. Infinity: no TTL. */
  readonly freshUntilMs: number;
}

/** No subscription covered the key when the request was sent. */
export const NOT_COVERED = 0;

export class Coherence {
  /** The store's epoch; 0n before the first Opened. */
  epoch = 0n;
  /** Goes up whenever events may have been missed: what was filled in an earlier one is suspect. */
  generation = 1;
  /** Goes up whenever what was asked for before must not be kept. */
  coverage = 1;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #shards: RecentChanges[] = [];
  #lastAnsweredPingSentAtMs = Number.NEGATIVE_INFINITY;
  #caughtUp = false;
  #keeps = false;
  /** The hit rule's first and third condition in one number, so that a hit costs one comparison for both. */
  #servableUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  // ---- The two rules -------------------------------------------------------------------------------------

  /**
   * The fill rule. `coverage` was taken just before the request was sent: this one's, when the subscription
   * covering the key was live, or else NOT_COVERED. A gap between then and now ends it, since the events that
   * were missed may be the ones that match; so does an own write that was given up, since it may have taken
   * effect after what is answered now.
   */
  mayFill(coverage: number, asOf: AsOf, namespace: string, key: string, tags: readonly string[]): boolean {
    if (asOf.epoch !== this.epoch) return false;
    if (coverage === NOT_COVERED || coverage !== this.coverage) return false;
    return !this.#shards[asOf.shard]?.mayMatchAfter(asOf.revision, namespace, key, tags);
  }

  /** The hit rule. `<=` as the promise says: at exactly L the value was still current within it. */
  mayServe(copy: Servable, nowMs: number): boolean {
    return nowMs <= this.#servableUntilMs && copy.generation === this.generation && nowMs < copy.freshUntilMs;
  }

  /** The hit rule with a shorter lease, for a read with `maxStalenessMs`. */
  mayServeWithin(copy: Servable, nowMs: number, maxStalenessMs: number): boolean {
    return nowMs - this.#lastAnsweredPingSentAtMs <= maxStalenessMs && this.mayServe(copy, nowMs);
  }

  /**
   * Whether who asks now may share the answer of a read that is under way. Begun within the lease it is as good
   * as a local copy; begun before, only if every change since has been heard. `coverage` was taken when it began.
   */
  mayShare(begunAtMs: number, coverage: number, nowMs: number): boolean {
    if (nowMs - begunAtMs <= this.#leaseMs) return true;
    return nowMs <= this.#servableUntilMs && coverage !== NOT_COVERED && coverage === this.coverage;
  }

  /** The longest that a value served now can have been out of date. */
  stalenessBoundMs(nowMs: number): number {
    return nowMs - this.#lastAnsweredPingSentAtMs;
  }

  // ---- The facts they rest on ----------------------------------------------------------------------------

  /** A subscription was opened, or a gap named the epoch. */
  epochSeen(epoch: bigint): void {
    if (epoch === this.epoch) return;
    if (this.epoch !== 0n) this.missedEvents();
    this.epoch = epoch;
    this.#shards.length = 0;
  }

  /** A Gap: nothing read before is to be trusted without revalidation. */
  missedEvents(): void {
    this.generation += 1;
    this.coverage += 1;
  }

  /** An own write got no answer: whether it took effect, and when, this process cannot say. */
  writeUnanswered(): void {
    this.coverage += 1;
  }

  /**
   * There is a near cache from now on. What is asked for before is not kept; what is asked for after is answered by a
   * shard that has all the changes whose events have come, so that none of those is of concern for the fill rule.
   */
  nearCacheOpened(): void {
    this.#keeps = true;
  }

  /** An event was applied to the near caches. */
  applied(change: Change): void {
    if (this.#keeps) this.#recent(change.shard).add(change);
  }

  /**
   * An own write was answered. Its event may still be on the way, on another stream; what was read before the
   * write is out of date from here on, and to be sure nothing of its shard that old is kept.
   */
  wrote(asOf: AsOf): void {
    if (asOf.epoch === this.epoch) this.#recent(asOf.shard).forget(asOf.revision);
  }

  /** The first Progress or Gap after Opened. */
  caughtUp(): void {
    this.#caughtUp = true;
    this.#settle();
  }

  /** The stream is gone, or another has taken its place and has yet to catch up. */
  fellBehind(): void {
    this.#caughtUp = false;
    this.#settle();
  }

  /** A Progress answered a ping. Its age counts from when the ping was sent, however long it was under way. */
  pingAnswered(sentAtMs: number): void {
    this.#lastAnsweredPingSentAtMs = Math.max(this.#lastAnsweredPingSentAtMs, sentAtMs);
    this.#settle();
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  #recent(shard: number): RecentChanges {
    let recent = this.#shards[shard];
    if (recent === undefined) {
      recent = createRecentChanges();
      this.#shards[shard] = recent;
    }
    return recent;
  }

  #settle(): void {
    this.#servableUntilMs = this.#caughtUp
      ? this.#lastAnsweredPingSentAtMs + this.#leaseMs
      : Number.NEGATIVE_INFINITY;
  }
}
