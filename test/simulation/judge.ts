/**
 * Checks every read against the promise of coherence, when the read returns. For each reader and key there is a floor:
 * the latest moment whose state the reader must know. The floor is raised by
 *   - the reader's own writes, once they are answered or have failed (a process reads its own writes),
 *   - the events it has received (nothing whose invalidation has been received is served),
 *   - `sync()` (nothing invalidated before the call is served after it),
 *   - what it has read (monotonic reads).
 * A read is correct if the server held its result at some moment at or after the floor. For a near read the moment must
 * also be later than t - L, and the TTL must not have ended; both by real time, whatever the clocks of the reader show.
 * Only a wall clock that was set back since its last pulse, by no more than the time since then, excuses as much. For a remote read the moment must be between its call and
 * its return.
 */
import { Event_Kind, type ExchangeResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import type { History, Moment } from "./history.ts";
import type { Truth } from "./truth.ts";
import { earliestWitness, type Observed, type Window } from "./witness.ts";

/** One read of one key, from its call to its return. */
export interface Read {
  readonly reader: string;
  readonly key: string;
  /** "either": a `getMany` was answered from both sources, and its result does not tell them apart. */
  readonly source: "near" | "remote" | "either";
  readonly observed: Observed;
  readonly call: Moment;
  readonly returned: Moment;
  /** The floor of the reader for the key at the time of the call. */
  readonly floor: Moment;
  readonly maxStalenessMs: number;
  /** By how much the wall clock of the reader was set back since its last pulse. */
  readonly setBackMs: number;
  /** It was served because there is an outage, and was read so long before. */
  readonly outage?: { readonly ageMs: number } | undefined;
}

export interface Judge {
  floorOf(reader: string, key: string): Moment;
  read(read: Read): void;
  /** A frame arrived at a reader. */
  received(reader: string, frame: ExchangeResponse): void;
  /** The reader must know the state at `moment`. */
  raise(reader: string, key: string, moment: Moment): void;
  synced(reader: string, called: Moment): void;
  /** How many reads were checked, by source. A run that checked nothing proves nothing. */
  readonly judged: Readonly<Record<Read["source"], number>>;
}

const beginning: Moment = { order: -1, atMs: 0 };

/** `hasCaughtUp`: the stream of the reader is not between a disconnect and its catch-up. */
export function createJudge(history: History, truth: Truth, hasCaughtUp: (reader: string) => boolean): Judge {
  const floors = new Map<string, Moment>();
  const gaps = new Map<string, Moment>();
  const judged = { near: 0, remote: 0, either: 0 };

  const floorOf = (reader: string, key: string): Moment => floors.get(`${reader}/${key}`) ?? beginning;
  const raise = (reader: string, key: string, moment: Moment): void => {
    if (moment.order > floorOf(reader, key).order) floors.set(`${reader}/${key}`, moment);
  };

  const nearWindow = (read: Read): Window => {
    const { floor, maxStalenessMs, setBackMs } = read;
    const served = servedAt(read);
    return {
      from: floor,
      to: served,
      afterMs: served.atMs - maxStalenessMs - setBackMs,
      livesAtMs: served.atMs - setBackMs,
    };
  };
  const remoteWindow = (read: Read): Window => ({
    from: read.floor.order > read.call.order ? read.floor : read.call,
    to: read.returned,
    afterMs: -1,
    livesAtMs: -1,
  });

  /** A copy is served in an outage until the connection is back, and never after a gap. */
  function checkOutage(read: Read, ageMs: number): void {
    const { reader, key } = read;
    if (hasCaughtUp(reader)) {
      history.violate("outage-end", `${reader} read ${key} as in an outage though it had caught up`);
    }
    const gap = gaps.get(reader);
    if (gap !== undefined && servedAt(read).atMs - ageMs < gap.atMs) {
      history.violate(
        "outage-gap",
        `${reader} read ${key} in an outage from before its gap at ${gap.atMs} ms`,
      );
    }
  }

  /** Reports the promise that was broken: the first one without which the read would be correct. */
  function accuse(read: Read): void {
    const spells = truth.spells(read.key);
    const what = describe(read.observed);
    const near = read.source !== "remote";
    const window = near ? nearWindow(read) : remoteWindow(read);
    const excusedBy = (changes: Partial<Window>): boolean =>
      earliestWitness(spells, read.observed, { ...window, ...changes }) !== undefined;
    const name = `${read.reader} read ${read.key} as ${what} (${read.source})`;
    if (!near) history.violate("remote-read", `${name}, which it never was during the call`);
    else if (excusedBy({ livesAtMs: -1 })) history.violate("near-ttl", `${name} after the end of its TTL`);
    else if (excusedBy({ afterMs: -1 })) {
      history.violate("near-staleness", `${name}, which it has not been for ${read.maxStalenessMs} ms`);
    } else if (excusedBy({ from: beginning })) {
      history.violate(
        "near-floor",
        `${name}, though it must know the state at ${read.floor.atMs} ms (#${read.floor.order})`,
      );
    } else history.violate("near-read", `${name}, which it never was`);
  }

  return {
    floorOf,
    raise,
    judged,
    read(read) {
      judged[read.source] += 1;
      if (read.outage !== undefined) checkOutage(read, read.outage.ageMs);
      else if (read.source === "near" && !hasCaughtUp(read.reader)) {
        history.violate(
          "hit-rule",
          `${read.reader} read ${read.key} from its near cache before it had caught up`,
        );
      }
      const spells = truth.spells(read.key);
      const windows = [
        ...(read.source === "remote" ? [] : [nearWindow(read)]),
        ...(read.source === "near" ? [] : [remoteWindow(read)]),
      ];
      const witnesses = windows
        .map((window) => earliestWitness(spells, read.observed, window))
        .filter((witness) => witness !== undefined);
      const [first] = witnesses.sort((a, b) => a.order - b.order);
      if (first === undefined) accuse(read);
      else raise(read.reader, read.key, first);
    },
    received(reader, { frame }) {
      if (frame.case === "gap") gaps.set(reader, history.note(reader, "has a gap"));
      if (frame.case !== "events") return;
      for (const event of frame.value.events) {
        const { stamp } = event;
        const life = stamp === undefined ? undefined : truth.lifeOf(stamp.epoch);
        if (stamp === undefined || life === undefined) {
          history.violate("event-stamp", `${reader} received an event whose epoch no store had`);
          continue;
        }
        const known = truth.changesAt(life, stamp.shard, Number(stamp.revision));
        if (event.kind === Event_Kind.SET && known.length === 0) {
          history.violate("event-stamp", `${reader} received a SET event of a revision that set nothing`);
        }
        for (const { key, moment } of known) raise(reader, key, moment);
      }
    },
    synced(reader, called) {
      for (const key of truth.keys) raise(reader, key, called);
    },
  };
}

/** A copy is served at the call, or in an outage when the server that was asked first has not answered. */
const servedAt = ({ call, returned, outage }: Read): Moment => (outage === undefined ? call : returned);

function describe(observed: Observed): string {
  if (observed.kind === "miss") return "a miss";
  const stale = observed.stale ? "stale " : "";
  return observed.kind === "absent" ? `${stale}absent (version ${observed.version})` : stale + observed.value;
}
