/**
 * A subscriber: a position in the event logs of all shards that moves over what its selectors match.
 *
 * It keeps no queue. Of a log that dropped what it had not read yet, it reads one gap and goes on from now. Other
 * threads append, and drop, whenever it does not hold the shard. Subscribers of a thread that stand at the same place
 * and want the same read it once.
 */

import { fieldInvalid } from "../../common/errors.ts";
import type { GapReason, Selector, StoreEvent, Subscriber, SubscriberRead } from "../api/store.ts";
import { type CursorPosition, fromCursor } from "./cursor.ts";
import type { DecodedEvents } from "./decoded-events.ts";
import type { EventLog, LogPlace } from "./event-log.ts";
import { ReadPosition, type SharedReads } from "./shared-reads.ts";
import type { WaitingSubscriber, WaitList } from "./wait-list.ts";

/** So that one read of a subscriber that matches little does not hold up everybody. */
const SCANNED_EVENTS_MAX = 16_384;
/** So that a reader with much to catch up with does not keep writers out of a shard: then it lets go once. */
const HELD_EVENTS_MAX = 256;
const HELD_SCANNED_EVENTS_MAX = 4_096;
/** What an event costs in `read`'s `maxBytes` beside its strings: about what its message costs. */
const EVENT_FRAME_BYTES = 32;

/** What subscribers share: the logs, and who wants to be woken at the next event. */
export interface EventSource {
  readonly epoch: bigint;
  /** By shard. */
  readonly logs: readonly EventLog[];
  /**
   * Keeps the other threads out of a shard until `release`: for all that is done with its log and its revision.
   * One shard at a time, and not for long.
   */
  acquire(shard: number): void;
  release(shard: number): void;
  /** By shard: its revision. */
  revisionOf(shard: number): number;
  readonly waitList: Pick<WaitList, "add" | "delete">;
  readonly reads: SharedReads;
  readonly recent: DecodedEvents;
  overran(): void;
}

/** What one read has so far, and where it stops. */
interface Taken {
  readonly events: StoreEvent[];
  bytes: number;
  /** Matching or not. */
  scanned: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

export function matches(selector: Selector, event: StoreEvent): boolean {
  if (selector.namespace !== event.namespace) return false;
  const { target, name } = event;
  if (selector.prefixes.length === 0 || target === "all" || target === "tag") return true;
  return selector.prefixes.some(
    (prefix) => name.startsWith(prefix) || (target === "prefix" && prefix.startsWith(name)),
  );
}

export class LogSubscriber implements Subscriber, WaitingSubscriber {
  older: WaitingSubscriber | undefined;
  newer: WaitingSubscriber | undefined;
  woken = false;
  readonly wake: () => void;
  readonly #source: EventSource;
  #selectors: readonly Selector[];
  /** The same for all who want the same. */
  #wanted: string;
  #position: ReadPosition;
  /** The last read, if there was one, stopped before the end of a log. */
  #unfinished = true;
  #gap: GapReason | undefined;
  /** While a gap is not read, the position is the one from which there was no resuming. */
  #unresumable: Uint8Array | undefined;
  #closed = false;

  constructor(source: EventSource, selectors: readonly Selector[], cursor: Uint8Array, wake: () => void) {
    const position = cursor.length === 0 ? undefined : fromCursor(cursor);
    if (position?.epoch === source.epoch && position.revisions.length !== source.logs.length) {
      throw fieldInvalid("cursor", "one of this store");
    }
    this.#source = source;
    this.#selectors = selectors;
    this.#wanted = JSON.stringify(selectors);
    this.wake = wake;
    // Before it looks at any log: what comes after that is to wake it.
    source.waitList.add(this);
    this.#position = this.#now();
    if (position === undefined) return;
    this.#gap = this.#resume(position);
    if (this.#gap !== undefined) this.#unresumable = cursor.slice();
  }

  cursor(): Uint8Array {
    return this.#unresumable ?? this.#position.cursor(this.#source.epoch);
  }

  read(maxEvents: number, maxBytes: number): SubscriberRead | undefined {
    if (!this.#closed) this.#source.waitList.add(this);
    if (this.#gap !== undefined) return this.#readGap(this.#gap);
    const { reads, logs } = this.#source;
    const known = reads.find(this.#position, this.#wanted, maxEvents, maxBytes);
    if (known === undefined)
      return this.#readEvents({ events: [], bytes: 0, scanned: 0, maxEvents, maxBytes });
    this.#position = known.to;
    // What has come since then is not in it, and was there when this read began.
    this.#unfinished = known.unfinished || known.to.isBehind(logs);
    return known.read;
  }

  behind(): boolean {
    return this.#gap !== undefined || this.#position.isBehind(this.#source.logs);
  }

  unfinished(): boolean {
    return this.#unfinished;
  }

  lag(cursor?: Uint8Array): number {
    const { epoch, logs } = this.#source;
    const { revisions: ownRevisions } = this.#position;
    const position = cursor === undefined ? undefined : fromCursor(cursor);
    const revisions = position?.epoch === epoch ? position.revisions : [];
    return logs.reduce((sum, log, shard) => {
      const revision = revisions[shard] ?? 0;
      // What a client acknowledges is mostly where its subscriber stands: nothing to look for, nobody to hold up.
      if (position === undefined || revision === ownRevisions[shard]) {
        return sum + log.eventsSince(this.#position.positionOf(shard));
      }
      return sum + this.#holding(shard, () => log.end - log.placeAfter(revision).position);
    }, 0);
  }

  select(selectors: readonly Selector[]): void {
    if (this.#unfinished && this.behind()) {
      throw new Error("selectors change only when every event was read");
    }
    this.#selectors = selectors;
    this.#wanted = JSON.stringify(selectors);
  }

  close(): void {
    this.#closed = true;
    this.#source.waitList.delete(this);
  }

  /** At the ends of all logs. */
  #now(): ReadPosition {
    const places: LogPlace[] = [];
    const revisions: number[] = [];
    this.#source.logs.forEach((log, shard) => {
      this.#holding(shard, () => {
        places[shard] = log.placeAtEnd();
        revisions[shard] = this.#source.revisionOf(shard);
      });
    });
    return new ReadPosition(places, revisions, 0);
  }

  /** Stands at the cursor's position, or gives the reason why not. */
  #resume({ epoch, revisions }: CursorPosition): GapReason | undefined {
    if (epoch !== this.#source.epoch) return "epochChanged";
    let isAhead = false;
    let isExpired = false;
    const places = this.#source.logs.map((log, shard) => {
      const revision = revisions[shard] ?? 0;
      return this.#holding(shard, () => {
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
    this.#unresumable = undefined;
    this.#unfinished = false;
    this.#position = this.#now();
    return { kind: "gap", reason, cursor: this.cursor() };
  }

  #readEvents(taken: Taken): SubscriberRead | undefined {
    const { logs, epoch, reads } = this.#source;
    const from = this.#position;
    const places = [...from.places];
    const revisions = [...from.revisions];
    let { firstShard } = from;
    let unfinished = false;
    for (let turn = 0; turn < logs.length && !unfinished; turn++) {
      const shard = (from.firstShard + turn) % logs.length;
      const log = logs[shard];
      const stood = places[shard];
      if (log === undefined || stood === undefined || log.eventsSince(stood.position) === 0) continue;
      // Others may still stand there.
      const place = { ...stood };
      places[shard] = place;
      switch (this.#readShard(shard, log, place, revisions, taken)) {
        case "end":
          break;
        case "full":
          unfinished = true;
          firstShard = (shard + 1) % logs.length;
          break;
        case "overrun":
          this.#source.overran();
          return this.#readGap("overrun");
      }
    }
    const { events, maxEvents, maxBytes } = taken;
    const to = new ReadPosition(places, revisions, firstShard);
    this.#unfinished = unfinished;
    if (events.length === 0) {
      this.#position = to;
      return undefined;
    }
    const read: SubscriberRead = { kind: "events", events, cursor: to.cursor(epoch) };
    this.#position = reads.add({ from, wanted: this.#wanted, maxEvents, maxBytes, to, unfinished, read });
    return read;
  }

  /** Holds the shard as often as it takes. */
  #readShard(
    shard: number,
    log: EventLog,
    place: LogPlace,
    revisions: number[],
    taken: Taken,
  ): "end" | "full" | "overrun" {
    for (;;) {
      this.#source.acquire(shard);
      try {
        const stopped = this.#readHeld(shard, log, place, revisions, taken);
        if (stopped !== "held") return stopped;
      } finally {
        this.#source.release(shard);
      }
    }
  }

  /** Reads whole revisions until the end of the log or a bound: of the read, or of one hold of the shard. */
  #readHeld(
    shard: number,
    log: EventLog,
    place: LogPlace,
    revisions: number[],
    taken: Taken,
  ): "end" | "full" | "held" | "overrun" {
    let revision = revisions[shard] ?? 0;
    // The revision decides and not the position: a log may have dropped a part of one revision's events.
    if (log.lostRevision > revision) return "overrun";
    const { events, maxEvents, maxBytes } = taken;
    const namespaceIds = this.#selectors.map((selector) => log.namespaceId(selector.namespace));
    const heldEventsEnd = events.length + HELD_EVENTS_MAX;
    const heldScannedEnd = taken.scanned + HELD_SCANNED_EVENTS_MAX;
    const { end } = log;
    while (place.position < end) {
      const full =
        events.length >= maxEvents || taken.bytes >= maxBytes || taken.scanned >= SCANNED_EVENTS_MAX;
      const held = events.length >= heldEventsEnd || taken.scanned >= heldScannedEnd;
      if ((full || held) && log.revisionAt(place) !== revision) return full ? "full" : "held";
      const event = log.next(place, namespaceIds, this.#source.recent);
      revision = place.revision;
      revisions[shard] = revision;
      taken.scanned++;
      if (event === undefined || !this.#selectors.some((selector) => matches(selector, event))) continue;
      events.push(event);
      taken.bytes += EVENT_FRAME_BYTES + event.name.length + event.origin.length + event.traceparent.length;
    }
    return "end";
  }

  #holding<Result>(shard: number, run: () => Result): Result {
    this.#source.acquire(shard);
    try {
      return run();
    } finally {
      this.#source.release(shard);
    }
  }
}
