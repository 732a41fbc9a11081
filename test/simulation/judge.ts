/**
 * Holds every read to what COHERENCE.md promises, at the moment it returns. Each reader of a key keeps a floor:
 * the latest moment that it must already know of. It is raised by
 *   - the reader's own writes, once answered or given up (a process reads its own writes),
 *   - the events it has received (nothing whose invalidation has been received is served),
 *   - `sync()` (nothing invalidated before the call is served after it),
 *   - what it has read (monotonic reads).
 * A read is right if the server really held what was read at some moment at or after the floor; a near read
 * also later than t - L, and with lifetimes that still run; a remote one between its call and its return.
 */
import { Event_Kind, type ExchangeResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import type { History, Moment } from "./history.ts";
import type { Truth } from "./truth.ts";
import { earliestWitness, type Observed, type Window } from "./witness.ts";

/** One read of one key, from its call to its return. */
export interface Read {
  readonly reader: string;
  readonly key: string;
  /** "either": some of a `getMany` came from each, and the answer does not say which. */
  readonly source: "near" | "remote" | "either";
  readonly observed: Observed;
  readonly call: Moment;
  readonly returned: Moment;
  /** The reader's floor for the key when it called. */
  readonly floor: Moment;
  readonly maxStalenessMs: number;
}

export interface Judge {
  floorOf(reader: string, key: string): Moment;
  read(read: Read): void;
  /** A frame reached a reader. */
  received(reader: string, frame: ExchangeResponse): void;
  /** The reader must know what was true at `moment`. */
  raise(reader: string, key: string, moment: Moment): void;
  synced(reader: string, called: Moment): void;
  /** How many reads were judged, by source: a check that judged nothing proves nothing. */
  readonly judged: Readonly<Record<Read["source"], number>>;
}

const beginning: Moment = { order: -1, atMs: 0 };

/** `hasCaughtUp`: the reader is not between a disconnect and its catch-up. */
export function createJudge(history: History, truth: Truth, hasCaughtUp: (reader: string) => boolean): Judge {
  const floors = new Map<string, Moment>();
  const judged = { near: 0, remote: 0, either: 0 };

  const floorOf = (reader: string, key: string): Moment => floors.get(`${reader}/${key}`) ?? beginning;
  const raise = (reader: string, key: string, moment: Moment): void => {
    if (moment.order > floorOf(reader, key).order) floors.set(`${reader}/${key}`, moment);
  };

  const nearWindow = (read: Read): Window => ({
    from: read.floor,
    to: read.call,
    afterMs: read.call.atMs - read.maxStalenessMs,
    livesAtMs: read.call.atMs,
  });
  const remoteWindow = (read: Read): Window => ({
    from: read.floor.order > read.call.order ? read.floor : read.call,
    to: read.returned,
    afterMs: -1,
    livesAtMs: -1,
  });

  /** Which promise was broken: the first that, left out, would excuse the read. */
  function accuse(read: Read): void {
    const spells = truth.spells(read.key);
    const what = describe(read.observed);
    const near = read.source !== "remote";
    const window = near ? nearWindow(read) : remoteWindow(read);
    const excusedBy = (changes: Partial<Window>): boolean =>
      earliestWitness(spells, read.observed, { ...window, ...changes }) !== undefined;
    const name = `${read.reader} read ${read.key} as ${what} (${read.source})`;
    if (!near) history.violate("remote-read", `${name}, which it never was during the call`);
    else if (excusedBy({ livesAtMs: -1 })) history.violate("near-ttl", `${name} past its lifetime`);
    else if (excusedBy({ afterMs: -1 })) {
      history.violate("near-staleness", `${name}, which it has not been for ${read.maxStalenessMs} ms`);
    } else if (excusedBy({ from: beginning })) {
      history.violate(
        "near-floor",
        `${name}, though it must know of ${read.floor.atMs} ms (#${read.floor.order})`,
      );
    } else history.violate("near-read", `${name}, which it never was`);
  }

  return {
    floorOf,
    raise,
    judged,
    read(read) {
      judged[read.source] += 1;
      if (read.source === "near" && !hasCaughtUp(read.reader)) {
        history.violate("hit-rule", `${read.reader} read ${read.key} nearby before it had caught up`);
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
      if (frame.case !== "events") return;
      for (const event of frame.value.events) {
        const { stamp } = event;
        const life = stamp === undefined ? undefined : truth.lifeOf(stamp.epoch);
        if (stamp === undefined || life === undefined) {
          history.violate("event-stamp", `${reader} received an event of no life of the store`);
          continue;
        }
        const known = truth.changesAt(life, stamp.shard, Number(stamp.revision));
        if (event.kind === Event_Kind.SET && known.length === 0) {
          history.violate("event-stamp", `${reader} received a Set that never was`);
        }
        for (const { key, moment } of known) raise(reader, key, moment);
      }
    },
    synced(reader, called) {
      for (const key of truth.keys) raise(reader, key, called);
    },
  };
}

function describe(observed: Observed): string {
  if (observed.kind === "miss") return "a miss";
  const stale = observed.stale ? "stale " : "";
  return observed.kind === "absent" ? `${stale}absent (version ${observed.version})` : stale + observed.value;
}
