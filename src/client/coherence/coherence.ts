/**
 * Coherence: decides what may enter a near cache (the fill rule) and what may be served from it (the hit rule). It
 * stores no values and has no network code: other parts report facts to it and ask it questions.
 *
 * THE PROMISE. Let L be the lease, measured by this process's own clock (lease-clock.ts) from the moment it *sent* the
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
 * THE CLOCK. A hit reads one clock: the wall clock, which goes on while the host is suspended. A pulse before every ping
 * of the heartbeat, so within the ping interval, compares wall and monotonic time, and divergence in either direction makes
 * copies suspect. Until that pulse, a hit is refused at a wall time from before the last pulse. So a wall clock that was set
 * back by s lengthens L and the TTLs by s only if s is at most the time since the last pulse, and only until the next one.
 *
 * ONE STORE. A store that is met again at an address after another one, E1→E2→E1 without Draining, lives beside it. Then
 * nothing is kept or served until one remains: a client hears the writes to its own store only.
 *
 * GAP: REVALIDATE, NOT FLUSH. After a gap or an epoch change entries become suspect: unusable until revalidated, in
 * batches with `if_version`, with jitter, so that a reconnect does not stampede the server or the origin. Versions of
 * different epochs cannot be compared, so a suspect entry of an older epoch is read without a version.
 *
 * CLEAN RESTART. A store that began with a snapshot has a new epoch, which continues another one up to the revision at which
 * that ended, in each shard. A copy of that epoch that is not newer is one of the new epoch, and the cursor resumes. A copy that
 * is newer is of another life of that epoch, and suspect.
 *
 * OUTAGE COPIES. Only where the namespace says `outageTtlMs`: between the loss of the connection and the next one a copy is
 * served, and marked, although condition 1 or 3 of the hit rule does not hold, if it was current within `outageTtlMs`: on the
 * server when the last answered ping was sent, or when its request was sent, or at the source when its load began in this
 * outage. It is inside its TTL. Never after a gap was seen. What this process has invalidated since is gone.
 *
 * One Exchange stream delivers an event before every response that reflects it. So condition 3 decides in three cases
 * only: a response that was delayed (behind a lease of its batch, or because the client read slowly), the response to
 * an own write, and the handover from a draining server to the next, while two streams deliver events.
 */
import type { LeaseClock } from "./lease-clock.ts";
import { createRecentChanges, type RecentChanges } from "./recent-changes.ts";
import { type Cover, NO_COVER } from "./selector-cover.ts";

/** One mutation, as an event or the response to an own write reports it. */
export interface Change {
  readonly shard: number;
  /** Of the shard, just after the mutation. */
  readonly revision: number;
  readonly namespace: string;
  readonly target: "key" | "tag" | "prefix" | "all";
  /** The key, tag or prefix; empty for "all". */
  readonly name: string;
}

/** The `as_of` of a response: the state of the shard when the server answered. */
export interface AsOf {
  readonly epoch: bigint;
  readonly shard: number;
  readonly revision: number;
}

/** An epoch that the store continues, up to these revisions of its shards. */
export interface EndedEpoch {
  readonly epoch: bigint;
  readonly endRevisions: readonly number[];
}

/** What the hit rule needs to know about a cached entry. */
export interface Servable {
  /** `Coherence.generation` when the entry was filled or last revalidated. */
  readonly generation: number;
  /** The first instant at which the entry is past its TTL. Infinity: no TTL. */
  readonly freshUntilMs: number;
}

/** What must be known of a copy in an outage. */
export interface OutageServable extends Servable {
  /** When its request was sent, or its load began. */
  readonly readAtMs: number;
}

/** No subscription covered the key when the request was sent. */
export const NOT_COVERED = 0;

export class Coherence {
  /** The epoch of the store; 0n before the first Opened. */
  epoch = 0n;
  /** Incremented when events may have been missed. Entries of an earlier generation are suspect. */
  generation = 1;
  /** Incremented when responses to earlier requests may no longer enter a near cache. */
  coverage = 1;
  /** The keys whose events the stream delivers. */
  cover: Cover = NO_COVER;
  /** Which outage there is now, counted from 1. 0: none. */
  #outage = 0;
  #outages = 0;
  readonly #clock: LeaseClock;
  readonly #leaseMs: number;
  readonly #shards: RecentChanges[] = [];
  #lastAnsweredPingSentAtMs = Number.NEGATIVE_INFINITY;
  #caughtUp = false;
  #isOneStore = true;
  #hasNearCache = false;
  /** A wall time before this one was set back. */
  #servableFromMs = Number.POSITIVE_INFINITY;
  /** The first and third condition of the hit rule in one number, so that a hit needs one comparison for both. */
  #servableUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: LeaseClock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  // ---- The two rules -------------------------------------------------------------------------------------

  /**
   * The fill rule. `coverage` was read just before the request was sent: `this.coverage` when the subscription that
   * covers the key was live, else NOT_COVERED. A gap since then forbids the fill, because a missed event may match. An
   * own write without an answer also forbids it, because the write may have taken effect after this response.
   */
  mayFill(coverage: number, asOf: AsOf, namespace: string, key: string, tags: readonly string[]): boolean {
    if (asOf.epoch !== this.epoch || !this.#isOneStore) return false;
    if (coverage === NOT_COVERED || coverage !== this.coverage) return false;
    return !this.#shards[asOf.shard]?.mayMatchAfter(asOf.revision, namespace, key, tags);
  }

  /** The hit rule. The age of the last answered ping may be exactly L. `nowMs`: of the lease clock. */
  mayServe(entry: Servable, nowMs: number): boolean {
    return (
      nowMs <= this.#servableUntilMs &&
      nowMs >= this.#servableFromMs &&
      entry.generation === this.generation &&
      nowMs < entry.freshUntilMs
    );
  }

  /** The hit rule with a shorter lease, for a read with `maxStalenessMs`. */
  mayServeWithin(entry: Servable, nowMs: number, maxStalenessMs: number): boolean {
    return nowMs - this.#lastAnsweredPingSentAtMs <= maxStalenessMs && this.mayServe(entry, nowMs);
  }

  /** There is an outage: no server can be asked. */
  get isOutage(): boolean {
    return this.#outage > 0;
  }

  /** The generation of what is loaded in this outage: no hit rule accepts it after the outage, nor in the next one. */
  get outageGeneration(): number {
    return -this.#outage;
  }

  /** Whether a copy may be served in an outage: it was current within `outageTtlMs`. */
  mayServeInOutage(copy: OutageServable, outageTtlMs: number): boolean {
    if (!this.isOutage) return false;
    // There is no heartbeat that would do it.
    this.pulse();
    const nowMs = this.nowMs();
    return nowMs < copy.freshUntilMs && nowMs - this.#knownCurrentAtMs(copy) <= outageTtlMs;
  }

  /**
   * Whether a new caller may share the result of a load in flight. A load that began within the lease is as fresh as a
   * cached entry. An older load may be shared only if no event can have been missed since it began. `coverage` was
   * read when the load began.
   */
  mayShare(ageMs: number, coverage: number): boolean {
    if (ageMs <= this.#leaseMs) return true;
    const nowMs = this.#clock.nowMs();
    const isServable = nowMs <= this.#servableUntilMs && nowMs >= this.#servableFromMs;
    return isServable && coverage !== NOT_COVERED && coverage === this.coverage;
  }

  /** How long a value that is served now can have been out of date, at most. */
  stalenessBoundMs(nowMs: number): number {
    return Math.max(0, nowMs - this.#lastAnsweredPingSentAtMs);
  }

  // ---- The facts that the rules use ----------------------------------------------------------------------------

  /**
   * A subscription was opened, or a gap named the epoch. `predecessors`: those that it continues. Where the former epoch is one of
   * them, no event is missed, unless a gap says so: revisions, and so the events since, go on.
   */
  epochSeen(epoch: bigint, predecessors: readonly EndedEpoch[] = []): void {
    if (epoch === this.epoch) return;
    const goesOn = predecessors.some((ended) => ended.epoch === this.epoch);
    if (goesOn) this.coverageLost();
    else if (this.epoch !== 0n) this.missedEvents();
    this.epoch = epoch;
    this.#shards.length = 0;
  }

  /** A Gap: every cached entry is suspect until it is revalidated. */
  missedEvents(): void {
    this.generation += 1;
    this.coverage += 1;
    if (this.isOutage) this.#beginOutage();
  }

  /** The connection is gone, or every address has failed. */
  outageBegan(): void {
    if (!this.isOutage) this.#beginOutage();
  }

  /** There is a connection, which has not caught up. */
  outageEnded(): void {
    this.#outage = 0;
  }

  /** An own write got no answer: this process cannot know whether it took effect, nor when. */
  writeUnanswered(): void {
    this.coverage += 1;
  }

  /** The events of some keys are not delivered for a while. What was asked for before may be of before that. */
  coverageLost(): void {
    this.coverage += 1;
  }

  /**
   * The client has its first near cache. Earlier events need not be remembered for the fill rule: a response to an
   * earlier request is not kept, and a response to a later request reflects every event that has already arrived.
   */
  nearCacheOpened(): void {
    this.#hasNearCache = true;
  }

  /** An event was applied to the near caches. */
  eventApplied(change: Change): void {
    if (this.#hasNearCache) this.#recent(change.shard).add(change);
  }

  /**
   * An own write was answered. Its event may still be under way on another stream. From now on nothing of the shard
   * that was read before the write is kept.
   */
  writeAnswered(asOf: AsOf): void {
    if (asOf.epoch === this.epoch) this.#recent(asOf.shard).drop(asOf.revision);
  }

  /** The first Progress or Gap after Opened. */
  caughtUp(): void {
    this.#caughtUp = true;
    this.#updateServableUntil();
  }

  /** The stream is lost, or its successor has not caught up yet. */
  fellBehind(): void {
    this.#caughtUp = false;
    this.#updateServableUntil();
  }

  /** Two stores answer at one address: nothing is kept or served until one remains, and what was kept is suspect. */
  twoStores(): void {
    this.#isOneStore = false;
    this.missedEvents();
    this.#updateServableUntil();
  }

  oneStore(): void {
    this.#isOneStore = true;
    this.#updateServableUntil();
  }

  /** False: near caches are off. */
  get isOneStore(): boolean {
    return this.#isOneStore;
  }

  /**
   * Compares the clocks. Not 0: by how much the wall clock went ahead, or was set back, since the last pulse. Then every
   * copy is suspect, and nothing that was sent before counts, since the age of it is unknown.
   */
  pulse(): number {
    const divergenceMs = this.#clock.pulse();
    this.#servableFromMs = this.#clock.pulsedAtMs;
    if (divergenceMs === 0) return 0;
    this.missedEvents();
    this.#lastAnsweredPingSentAtMs = Number.NEGATIVE_INFINITY;
    this.#updateServableUntil();
    return divergenceMs;
  }

  /** A Progress answered a ping. The lease counts from when that ping was sent, by the lease clock. */
  pingAnswered(sentAtMs: number): void {
    this.#lastAnsweredPingSentAtMs = Math.max(this.#lastAnsweredPingSentAtMs, sentAtMs);
    this.#updateServableUntil();
  }

  /** The lease clock, by which a hit is judged. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  #beginOutage(): void {
    this.#outages += 1;
    this.#outage = this.#outages;
  }

  /** When a copy was last known to be current. */
  #knownCurrentAtMs({ generation, readAtMs }: OutageServable): number {
    if (generation === this.outageGeneration) return readAtMs;
    if (generation !== this.generation) return Number.NEGATIVE_INFINITY;
    return Math.max(readAtMs, this.#lastAnsweredPingSentAtMs);
  }

  #recent(shard: number): RecentChanges {
    let recent = this.#shards[shard];
    if (recent === undefined) {
      recent = createRecentChanges();
      this.#shards[shard] = recent;
    }
    return recent;
  }

  #updateServableUntil(): void {
    this.#servableUntilMs =
      this.#caughtUp && this.#isOneStore
        ? this.#lastAnsweredPingSentAtMs + this.#leaseMs
        : Number.NEGATIVE_INFINITY;
  }
}
