/**
 * A subscriber: a position in the event logs of all shards that moves over what its selectors match.
 *
 * It keeps no queue. Of a log that dropped what it had not read yet, it reads one gap and goes on from now.
 */

import { fieldInvalid } from "../errors.ts";
import { fromCursor, toCursor } from "./cursor.ts";
import type { EventLog, LogPlace } from "./event-log.ts";
import type { GapReason, Selector, StoreEvent, Subscriber, SubscriberRead } from "./store.ts";

/** So that one read of a subscriber that matches little does not hold up everybody. */
const scannedEventsMax = 16_384;
/** What an event costs in `read`'s `maxBytes` beside its strings: about what its message costs. */
const eventFrameBytes = 32;

export interface Sleeper {
  behind(): boolean;
  wake(): void;
}

/** What subscribers share: the logs, and who wants to be woken at the next event. */
export interface EventSource {
  readonly epoch: bigint;
  /** By shard. */
  readonly logs: readonly EventLog[];
  /** By shard: its revision. */
  revisionOf(shard: number): number;
  /** Each is woken once, when it is behind, and then forgotten until its next read. */
  readonly sleepers: Set<Sleeper>;
  overran(): void;
}

export function matches(selector: Selector, event: StoreEvent): boolean {
  if (selector.namespace !== event.namespace) return false;
  const { target, name } = event;
  if (selector.prefixes.length === 0 || target === "all" || target === "tag") return true;
  return selector.prefixes.some(
    (prefix) => name.startsWith(prefix) || (target === "prefix" && prefix.startsWith(name)),
  );
}

export class LogSubscriber implements Subscriber {
  readonly #source: EventSource;
  readonly #sleeper: Sleeper;
  #selectors: readonly Selector[];
  /** By shard: where the next event to look at is, and the revision of the last one looked at. */
  readonly #places: LogPlace[] = [];
  readonly #revisions: number[] = [];
  /** The shard to begin the next read with: a busy shard must not starve the others. */
  #firstShard = 0;
  #gap: GapReason | undefined;
  /** While a gap is not read, the position is the one from which there was no resuming. */
  #unresumable: Uint8Array | undefined;
  #closed = false;

  constructor(source: EventSource, selectors: readonly Selector[], cursor: Uint8Array, wake: () => void) {
    this.#source = source;
    this.#selectors = selectors;
    this.#sleeper = { wake, behind: () => this.behind() };
    this.#skipToNow();
    if (cursor.length > 0) this.#resume(cursor);
    source.sleepers.add(this.#sleeper);
  }

  cursor(): Uint8Array {
    return this.#unresumable ?? toCursor(this.#source.epoch, this.#revisions);
  }

  read(maxEvents: number, maxBytes: number): SubscriberRead | undefined {
    if (this.#gap === undefined && this.#isOverrun()) {
      this.#gap = "overrun";
      this.#source.overran();
    }
    const result = this.#gap === undefined ? this.#readEvents(maxEvents, maxBytes) : this.#readGap(this.#gap);
    if (!this.#closed) this.#source.sleepers.add(this.#sleeper);
    return result;
  }

  behind(): boolean {
    return (
      this.#gap !== undefined || this.#source.logs.some((log, shard) => this.#positionOf(shard) < log.end)
    );
  }

  lag(cursor?: Uint8Array): number {
    const { logs } = this.#source;
    if (cursor === undefined) {
      return logs.reduce((sum, log, shard) => sum + log.end - this.#positionOf(shard), 0);
    }
    const position = fromCursor(cursor);
    const known = position.epoch === this.#source.epoch;
    return logs.reduce((sum, log, shard) => {
      const revision = known ? (position.revisions[shard] ?? 0) : 0;
      return sum + log.end - log.placeAfter(revision).position;
    }, 0);
  }

  select(selectors: readonly Selector[]): void {
    if (this.behind()) throw new Error("selectors change only when every event was read");
    this.#selectors = selectors;
  }

  close(): void {
    this.#closed = true;
    this.#source.sleepers.delete(this.#sleeper);
  }

  #positionOf(shard: number): number {
    return this.#places[shard]?.position ?? 0;
  }

  #skipToNow(): void {
    this.#source.logs.forEach((log, shard) => {
      this.#places[shard] = log.placeAtEnd();
      this.#revisions[shard] = this.#source.revisionOf(shard);
    });
  }

  #resume(cursor: Uint8Array): void {
    const { epoch, revisions } = fromCursor(cursor);
    const { logs } = this.#source;
    if (epoch !== this.#source.epoch) this.#gap = "epochChanged";
    else if (revisions.length !== logs.length) throw fieldInvalid("cursor", "one of this store");
    else if (revisions.some((revision, shard) => revision > this.#source.revisionOf(shard))) {
      this.#gap = "cursorAhead";
    } else if (revisions.some((revision, shard) => revision < (logs[shard]?.lostRevision ?? 0))) {
      this.#gap = "cursorExpired";
    }
    if (this.#gap !== undefined) {
      this.#unresumable = cursor.slice();
      return;
    }
    logs.forEach((log, shard) => {
      const revision = revisions[shard] ?? 0;
      this.#places[shard] = log.placeAfter(revision);
      this.#revisions[shard] = revision;
    });
  }

  #isOverrun(): boolean {
    // The revision decides and not the position: a log may have dropped a part of one revision's events.
    return this.#source.logs.some((log, shard) => log.lostRevision > (this.#revisions[shard] ?? 0));
  }

  #readGap(reason: GapReason): SubscriberRead {
    this.#gap = undefined;
    this.#unresumable = undefined;
    this.#skipToNow();
    return { kind: "gap", reason, cursor: this.cursor() };
  }

  #readEvents(maxEvents: number, maxBytes: number): SubscriberRead | undefined {
    const { logs } = this.#source;
    const events: StoreEvent[] = [];
    let bytes = 0;
    let scanned = 0;
    for (let turn = 0; turn < logs.length; turn++) {
      const shard = (this.#firstShard + turn) % logs.length;
      const log = logs[shard];
      const place = this.#places[shard];
      if (log === undefined || place === undefined || place.position === log.end) continue;
      const namespaceIds = this.#selectors.map((selector) => log.namespaceId(selector.namespace));
      let revision = this.#revisions[shard] ?? 0;
      while (place.position < log.end) {
        const full = events.length >= maxEvents || bytes >= maxBytes || scanned >= scannedEventsMax;
        if (full && log.revisionAt(place) !== revision) break;
        const event = log.next(place, namespaceIds);
        revision = place.revision;
        scanned++;
        if (event === undefined || !this.#selectors.some((selector) => matches(selector, event))) continue;
        events.push(event);
        bytes += eventFrameBytes + event.name.length + event.origin.length + event.traceparent.length;
      }
      this.#revisions[shard] = revision;
      if (place.position < log.end) {
        this.#firstShard = (shard + 1) % logs.length;
        break;
      }
    }
    return events.length === 0 ? undefined : { kind: "events", events, cursor: this.cursor() };
  }
}
