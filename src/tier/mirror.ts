/**
 * The events of all shards as this server has them from the feed, in the event logs that its subscribers read. The mirror may lag
 * behind the engine, and says up to where it has come.
 */
import { createHash } from "node:crypto";
import { throwErrors } from "../common/callback-errors.ts";
import type { Selector, StoreEvent, Subscriber } from "../store/api/store.ts";
import { SINGLE_THREAD } from "../store/api/threads.ts";
import { DecodedEvents } from "../store/events/decoded-events.ts";
import type { EventLog, EventLogLimits } from "../store/events/event-log.ts";
import { Lineage } from "../store/events/lineage.ts";
import { SharedReads } from "../store/events/shared-reads.ts";
import { type EventSource, LogSubscriber } from "../store/events/subscriber.ts";
import { ThreadWakeups, threadWakeupsBytes } from "../store/events/thread-wakeups.ts";
import { WaitList } from "../store/events/wait-list.ts";
import { createRegion } from "../store/shm/region.ts";
import { createMirroredShards, type Held, type MirroredShard } from "./mirrored-shard.ts";

/** One mutation of a shard. `events` is empty for what clients never see. */
export interface MirroredRecord {
  readonly epoch: bigint;
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

/** "applied", "known" already, or a "gap" before it: nothing was applied. */
export type Applied = "applied" | "known" | "gap";

const ANNOUNCEMENTS_MAX = 64;

export class Mirror {
  readonly #shards: readonly MirroredShard[];
  readonly #waitList: WaitList;
  readonly #logs: EventLog[];
  /** What is kept of reads and of decoded events is by places in these very logs. */
  readonly #source: EventSource & { lineage: Lineage; reads: SharedReads; decoded: DecodedEvents };
  /** The epochs of all shards, by the epoch of the store that stands for them, the latest last. */
  readonly #announcements = new Map<bigint, readonly bigint[]>();

  /** `overran`: called for each gap that a log's overrun makes. */
  constructor(shards: number, limits: EventLogLimits, overran: () => void) {
    this.#shards = createMirroredShards(shards, limits);
    const wakeups = new ThreadWakeups(createRegion(threadWakeupsBytes(1)), SINGLE_THREAD);
    this.#waitList = new WaitList(wakeups, () => this.#source.decoded.clear());
    this.#logs = this.#shards.map(({ log }) => log);
    this.#source = {
      lineage: new Lineage(0n, []),
      logs: this.#logs,
      acquire() {},
      release() {},
      revisionOf: (shard) => this.#shards[shard]?.announcedRevision ?? 0,
      waitList: this.#waitList,
      reads: new SharedReads(),
      decoded: new DecodedEvents(),
      overran,
    };
  }

  /** The same for every server whose mirror knows the same epochs of all shards. 0n: those of some shards are not known. */
  get epoch(): bigint {
    return this.#source.lineage.epoch;
  }

  get shardCount(): number {
    return this.#shards.length;
  }

  epochOf(shard: number): bigint {
    return this.#shardAt(shard).epoch;
  }

  revisionOf(shard: number): number {
    return this.#shardAt(shard).revision;
  }

  /** Where a shard stands as subscribers know it, in the epoch that the store has. */
  announcedOf(shard: number): { readonly epoch: bigint; readonly revision: number } {
    const { announcedEpoch, announcedRevision } = this.#shardAt(shard);
    return { epoch: announcedEpoch, revision: announcedRevision };
  }

  /** Of an epoch of the store, one of the latest. */
  shardEpochOf(epoch: bigint, shard: number): bigint | undefined {
    return this.#announcements.get(epoch)?.[shard];
  }

  /** What was answered as of there has events that have not come yet, or comes from an epoch that the feed has not told of. */
  isBehind(shard: number, epoch: bigint, revision: number): boolean {
    return this.#shardAt(shard).isBehind({ epoch, revision });
  }

  logEventsOf(shard: number): number {
    const { log } = this.#shardAt(shard);
    return log.end - log.start;
  }

  subscribe(selectors: readonly Selector[], cursor: Uint8Array, wake: () => void): Subscriber {
    return new LogSubscriber(this.#source, selectors, cursor, wake);
  }

  /** The next record of a shard. Of another epoch it is a gap. Wakes nobody: call `wake` after the last one. */
  apply(shard: number, { epoch, revision, events }: MirroredRecord): Applied {
    const mirrored = this.#shardAt(shard);
    if (epoch !== mirrored.epoch || revision > mirrored.revision + 1) return "gap";
    if (revision <= mirrored.revision) return "known";
    const log = mirrored.nextLog ?? mirrored.log;
    for (const event of events) log.append(event);
    this.#moved(mirrored, revision);
    return "applied";
  }

  /** The shard stands at this revision, and what came before it and was not applied is lost to subscribers. */
  moveTo(shard: number, epoch: bigint, revision: number): void {
    const mirrored = this.#shardAt(shard);
    if (mirrored.epoch !== epoch) {
      mirrored.enter(epoch, revision);
      this.#releaseHeld(mirrored);
    } else if (revision > mirrored.revision) {
      (mirrored.nextLog ?? mirrored.log).lose(revision);
      this.#moved(mirrored, revision);
    }
  }

  /** True: some shards have epochs that subscribers do not know of. */
  get isAnnouncementDue(): boolean {
    return this.#shards.some(({ epoch, announcedEpoch }) => epoch !== announcedEpoch);
  }

  /** Every subscriber reads a gap, if an epoch has changed. Not before those of all shards are known. */
  announce(): void {
    if (!this.isAnnouncementDue || this.#shards.some(({ epoch }) => epoch === 0n)) return;
    this.#shards.forEach((mirrored, shard) => {
      mirrored.announce();
      this.#logs[shard] = mirrored.log;
    });
    const epochs = this.#shards.map(({ epoch }) => epoch);
    const epoch = hashOf(epochs);
    this.#announcements.delete(epoch);
    this.#announcements.set(epoch, epochs);
    if (this.#announcements.size > ANNOUNCEMENTS_MAX) {
      const [oldest] = this.#announcements.keys();
      if (oldest !== undefined) this.#announcements.delete(oldest);
    }
    this.#source.lineage = new Lineage(epoch, []);
    // Places of a new log are counted from its beginning, as those of the log before were.
    this.#source.reads = new SharedReads();
    this.#source.decoded = new DecodedEvents();
    for (const mirrored of this.#shards) this.#releaseHeld(mirrored);
    throwErrors(this.#waitList.wake());
  }

  /** Wakes the subscribers that are behind. */
  wake(): void {
    throwErrors(this.#waitList.wake());
  }

  /**
   * Calls `run` when subscribers can read all events up to there: at once, or later. With false: they never will, as the shard
   * has come to another epoch since, or they could not until `dueMs`.
   */
  whenReached(shard: number, epoch: bigint, revision: number, dueMs: number, run: Held["run"]): void {
    const mirrored = this.#shardAt(shard);
    const held = { epoch, revision, dueMs, run };
    if (mirrored.hasReached(held)) run(true);
    else if (mirrored.isOver(held)) run(false);
    else mirrored.held.push(held);
  }

  /** Fails what could not be read until now. */
  expire(nowMs: number): void {
    for (const mirrored of this.#shards) {
      if (mirrored.held.length === 0) continue;
      this.#release(mirrored, ({ dueMs }) => (dueMs <= nowMs ? false : undefined));
    }
  }

  #shardAt(shard: number): MirroredShard {
    const mirrored = this.#shards[shard];
    if (mirrored === undefined) throw new RangeError("there is no such shard");
    return mirrored;
  }

  #moved(mirrored: MirroredShard, revision: number): void {
    mirrored.revision = revision;
    if (mirrored.nextLog === undefined) mirrored.announcedRevision = revision;
    this.#releaseHeld(mirrored);
  }

  #releaseHeld(mirrored: MirroredShard): void {
    if (mirrored.held.length === 0) return;
    this.#release(mirrored, (held) => {
      if (mirrored.hasReached(held)) return true;
      return mirrored.isOver(held) ? false : undefined;
    });
  }

  /** `verdict`: what to tell one that is held; undefined: it is held on. */
  #release(mirrored: MirroredShard, verdict: (held: Held) => boolean | undefined): void {
    const released: { held: Held; isReached: boolean }[] = [];
    const kept: Held[] = [];
    for (const held of mirrored.held) {
      const isReached = verdict(held);
      if (isReached === undefined) kept.push(held);
      else released.push({ held, isReached });
    }
    mirrored.held = kept;
    for (const { held, isReached } of released) held.run(isReached);
  }
}

/** Every server computes the same. Never 0n. */
function hashOf(epochs: readonly bigint[]): bigint {
  const bytes = Buffer.alloc(epochs.length * 8);
  for (const [index, epoch] of epochs.entries()) bytes.writeBigUInt64BE(epoch, index * 8);
  return createHash("sha256").update(bytes).digest().readBigUInt64BE(0) || 1n;
}
