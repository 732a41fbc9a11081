/** Reads the matching events of all shards from a position on, within the bounds of one read. */
import type { Selector, StoreEvent } from "../api/store.ts";
import type { DecodedEvents } from "./decoded-events.ts";
import type { EventLog, LogPlace } from "./event-log.ts";
import { ReadPosition } from "./read-position.ts";
import { matches } from "./selectors.ts";

/** Events that one read looks at, so that a subscriber that matches few does not hold up the others. */
const SCANNED_EVENTS_MAX = 16_384;
/** After so many events a read releases the shard once, so that it does not keep writers waiting. */
const HELD_EVENTS_MAX = 256;
const HELD_SCANNED_EVENTS_MAX = 4_096;
/** What an event adds to `maxBytes` beside its strings: about the overhead of its message. */
const EVENT_OVERHEAD_BYTES = 32;

/** The logs, and the locks of their shards. */
export interface LogSource {
  /** By shard. */
  readonly logs: readonly EventLog[];
  /**
   * Keeps the other threads out of a shard until `release`. Required for every use of its log and its revision. One
   * shard at a time, and not for long.
   */
  acquire(shard: number): void;
  release(shard: number): void;
  revisionOf(shard: number): number;
  readonly decoded: DecodedEvents;
}

export interface EventsRead {
  readonly events: readonly StoreEvent[];
  readonly to: ReadPosition;
  /** A bound ended the read before the end of a log. */
  readonly unfinished: boolean;
}

/** What one read has taken so far, and its bounds. */
interface Taken {
  readonly events: StoreEvent[];
  bytes: number;
  /** Events looked at, matching or not. */
  scanned: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

export function withShard<Result>(source: LogSource, shard: number, run: () => Result): Result {
  source.acquire(shard);
  try {
    return run();
  } finally {
    source.release(shard);
  }
}

/** `undefined`: a log has dropped events behind the position. */
export function readEvents(
  source: LogSource,
  selectors: readonly Selector[],
  from: ReadPosition,
  maxEvents: number,
  maxBytes: number,
): EventsRead | undefined {
  const { logs } = source;
  const taken: Taken = { events: [], bytes: 0, scanned: 0, maxEvents, maxBytes };
  const places = [...from.places];
  const revisions = [...from.revisions];
  let { firstShard } = from;
  let unfinished = false;
  for (let turn = 0; turn < logs.length && !unfinished; turn++) {
    const shard = (from.firstShard + turn) % logs.length;
    const log = logs[shard];
    const former = places[shard];
    if (log === undefined || former === undefined || log.eventsSince(former.position) === 0) continue;
    // A copy: other subscribers may be at the former place.
    const place = { ...former };
    places[shard] = place;
    switch (readShard(source, selectors, shard, log, place, revisions, taken)) {
      case "end":
        break;
      case "full":
        unfinished = true;
        firstShard = (shard + 1) % logs.length;
        break;
      case "overrun":
        return undefined;
    }
  }
  return { events: taken.events, to: new ReadPosition(places, revisions, firstShard), unfinished };
}

/** Acquires the shard as often as it takes. */
function readShard(
  source: LogSource,
  selectors: readonly Selector[],
  shard: number,
  log: EventLog,
  place: LogPlace,
  revisions: number[],
  taken: Taken,
): "end" | "full" | "overrun" {
  for (;;) {
    source.acquire(shard);
    try {
      const stopped = readHeld(source, selectors, shard, log, place, revisions, taken);
      if (stopped !== "held") return stopped;
    } finally {
      source.release(shard);
    }
  }
}

/** Reads whole revisions until the end of the log or a bound: of the read, or of one hold of the shard. */
function readHeld(
  source: LogSource,
  selectors: readonly Selector[],
  shard: number,
  log: EventLog,
  place: LogPlace,
  revisions: number[],
  taken: Taken,
): "end" | "full" | "held" | "overrun" {
  let revision = revisions[shard] ?? 0;
  // Compare revisions and not positions: a log may have dropped only some events of a revision.
  if (log.lostRevision > revision) return "overrun";
  const { events, maxEvents, maxBytes } = taken;
  const namespaceIds = log.namespaceIds(selectors);
  const heldEventsEnd = events.length + HELD_EVENTS_MAX;
  const heldScannedEnd = taken.scanned + HELD_SCANNED_EVENTS_MAX;
  const { end } = log;
  while (place.position < end) {
    const full = events.length >= maxEvents || taken.bytes >= maxBytes || taken.scanned >= SCANNED_EVENTS_MAX;
    const held = events.length >= heldEventsEnd || taken.scanned >= heldScannedEnd;
    if ((full || held) && log.revisionAt(place) !== revision) return full ? "full" : "held";
    const event = log.next(place, namespaceIds, source.decoded);
    revision = place.revision;
    revisions[shard] = revision;
    taken.scanned++;
    if (event === undefined || !selectors.some((selector) => matches(selector, event))) continue;
    events.push(event);
    taken.bytes += EVENT_OVERHEAD_BYTES + event.name.length + event.origin.length + event.traceparent.length;
  }
  return "end";
}
