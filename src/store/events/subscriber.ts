/**
 * A subscriber: selectors and a position in the event logs of all shards.
 *
 * It keeps no queue. When a log has dropped events that it had not read, it reads one gap and goes on from the end.
 * Other threads append and drop events whenever it does not hold the shard.
 */
import { fieldInvalid } from "../../common/errors.ts";
import type { GapReason, Selector, Subscriber, SubscriberRead } from "../api/store.ts";
import { type CursorPosition, fromCursor } from "./cursor.ts";
import type { LogPlace } from "./event-log.ts";
import { type LogSource, readEvents, withShard } from "./event-reader.ts";
import type { Lineage } from "./lineage.ts";
import { ReadPosition } from "./read-position.ts";
import type { SharedReads } from "./shared-reads.ts";
import type { WaitingSubscriber, WaitList } from "./wait-list.ts";

/** What the subscribers of a thread share. */
export interface EventSource extends LogSource {
  readonly lineage: Lineage;
  readonly waitList: Pick<WaitList, "add" | "delete">;
  readonly reads: SharedReads;
  /** Called for each gap that a log's overrun makes. */
  overran(): void;
}

export class LogSubscriber implements Subscriber, WaitingSubscriber {
  older: WaitingSubscriber | undefined;
  newer: WaitingSubscriber | undefined;
  woken = false;
  readonly wake: () => void;
  readonly #source: EventSource;
  #selectors: readonly Selector[];
  /** The selectors as text, by which reads are shared. */
  #selection: string;
  #position: ReadPosition;
  /** The last read, if there was one, stopped before the end of a log. */
  #unfinished = true;
  #gap: GapReason | undefined;
  /** Of the position: a source that follows another store may come to another one. */
  #lineage: Lineage;
  /** The cursor that could not be resumed, until the gap is read. */
  #refusedCursor: Uint8Array | undefined;
  #closed = false;

  /** Throws FIELD_INVALID for a cursor that is none, or not one of this store. */
  constructor(source: EventSource, selectors: readonly Selector[], cursor: Uint8Array, wake: () => void) {
    const resumed = cursor.length === 0 ? undefined : fromCursor(cursor);
    if (resumed?.epoch === source.lineage.epoch && resumed.revisions.length !== source.logs.length) {
      throw fieldInvalid("cursor", "one of this store");
    }
    this.#source = source;
    this.#lineage = source.lineage;
    this.#selectors = selectors;
    this.#selection = JSON.stringify(selectors);
    this.wake = wake;
    // First into the wait list, then look at the logs: an event in between wakes it.
    source.waitList.add(this);
    this.#position = this.#endOfLogs();
    if (resumed === undefined) return;
    this.#gap = this.#resume(resumed);
    if (this.#gap !== undefined) this.#refusedCursor = cursor.slice();
  }

  cursor(): Uint8Array {
    return this.#refusedCursor ?? this.#position.cursor(this.#source.lineage.epoch);
  }

  read(maxEvents: number, maxBytes: number): SubscriberRead | undefined {
    if (!this.#closed) this.#source.waitList.add(this);
    if (this.#lineage !== this.#source.lineage) return this.#readGap("epochChanged");
    if (this.#gap !== undefined) return this.#readGap(this.#gap);
    const { reads, logs } = this.#source;
    const known = reads.find(this.#position, this.#selection, maxEvents, maxBytes);
    if (known === undefined) return this.#readEvents(maxEvents, maxBytes);
    this.#position = known.to;
    // Events that came after the shared read are not in it, and were there when this read began.
    this.#unfinished = known.unfinished || known.to.isBehind(logs);
    return known.read;
  }

  behind(): boolean {
    if (this.#lineage !== this.#source.lineage) return true;
    return this.#gap !== undefined || this.#position.isBehind(this.#source.logs);
  }

  unfinished(): boolean {
    return this.#unfinished;
  }

  lag(cursor?: Uint8Array): number {
    const { lineage, logs } = this.#source;
    const { revisions: ownRevisions } = this.#position;
    const position = cursor === undefined ? undefined : fromCursor(cursor);
    const revisions = position !== undefined && lineage.hasAll(position) ? position.revisions : [];
    return logs.reduce((sum, log, shard) => {
      const revision = revisions[shard] ?? 0;
      // A client mostly acknowledges the subscriber's own position: that needs no search and no lock.
      if (position === undefined || revision === ownRevisions[shard]) {
        return sum + log.eventsSince(this.#position.positionOf(shard));
      }
      return sum + withShard(this.#source, shard, () => log.end - log.placeAfter(revision).position);
    }, 0);
  }

  select(selectors: readonly Selector[]): void {
    if (this.#unfinished && this.behind()) {
      throw new Error("selectors change only when every event was read");
    }
    this.#selectors = selectors;
    this.#selection = JSON.stringify(selectors);
  }

  close(): void {
    this.#closed = true;
    this.#source.waitList.delete(this);
  }

  #endOfLogs(): ReadPosition {
    const places: LogPlace[] = [];
    const revisions: number[] = [];
    this.#source.logs.forEach((log, shard) => {
      withShard(this.#source, shard, () => {
        places[shard] = log.placeAtEnd();
        revisions[shard] = this.#source.revisionOf(shard);
      });
    });
    return new ReadPosition(places, revisions, 0);
  }

  /** Takes the cursor's position, or returns why it cannot. */
  #resume(position: CursorPosition): GapReason | undefined {
    if (!this.#source.lineage.hasAll(position)) return "epochChanged";
    const { revisions } = position;
    let isAhead = false;
    let isExpired = false;
    const places = this.#source.logs.map((log, shard) => {
      const revision = revisions[shard] ?? 0;
      return withShard(this.#source, shard, () => {
        isAhead ||= revision > this.#source.revisionOf(shard);
        isExpired ||= revision < log.lostRevision;
        return log.placeAfter(revision);
      });
    });
    if (isAhead) return "cursorAhead";
    if (isExpired) return "cursorExpired";
    this.#position = new ReadPosition(places, revisions, 0);
    return undefined;
  }

  #readGap(reason: GapReason): SubscriberRead {
    this.#gap = undefined;
    this.#lineage = this.#source.lineage;
    this.#refusedCursor = undefined;
    this.#unfinished = false;
    this.#position = this.#endOfLogs();
    return { kind: "gap", reason, cursor: this.cursor() };
  }

  #readEvents(maxEvents: number, maxBytes: number): SubscriberRead | undefined {
    const source = this.#source;
    const from = this.#position;
    const found = readEvents(source, this.#selectors, from, maxEvents, maxBytes);
    if (found === undefined) {
      source.overran();
      return this.#readGap("overrun");
    }
    const { events, to, unfinished } = found;
    this.#unfinished = unfinished;
    if (events.length === 0) {
      this.#position = to;
      return undefined;
    }
    const read: SubscriberRead = { kind: "events", events, cursor: to.cursor(source.lineage.epoch) };
    const selection = this.#selection;
    this.#position = source.reads.add({ from, selection, maxEvents, maxBytes, to, unfinished, read });
    return read;
  }
}
