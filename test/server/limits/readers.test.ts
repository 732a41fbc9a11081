/** What connections bring in one turn is bounded, and who brings little does not wait for those who bring much. */
import { beforeEach, describe, expect, it } from "vitest";
import { Reader, type Reading } from "../../../src/server/limits/readers.ts";
import { type Owner, Turns } from "../../../src/server/limits/turns.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const TURN = 1_600;
/** A fourth of a turn may arrive in it, and up to a 16th is of those who bring least. */
const MUCH = TURN / 4;
const LITTLE = TURN / 16;

/** A connection whose socket always has bytes, and brings so many each time it is read. */
class Peer {
  readonly owner: Owner;
  isRead = true;
  takesAnswers = true;
  reads = 0;
  bytes: number;
  /** What waits in the process after a read. */
  unreadBytes = 0;
  readonly close: () => void;

  constructor(bytes: number) {
    this.bytes = bytes;
    const unread = () => this.unreadBytes;
    const reading: Reading = {
      stop: () => {
        this.isRead = false;
      },
      resume: () => {
        this.isRead = this.takesAnswers;
        return this.takesAnswers;
      },
      readRest() {},
      get unreadBytes() {
        return unread();
      },
    };
    const reader = new Reader(reading, () => turns.waitingOf(this.owner));
    this.owner = { reader };
    turns.readers.add(reader);
    this.close = () => turns.readers.delete(reader);
  }
}

let turns: Turns;
let clock: ManualClock;
let next: (() => void)[];

beforeEach(() => {
  next = [];
  clock = new ManualClock();
  turns = new Turns(TURN, clock, loudBoundary, (run) => next.push(run));
});

/** One turn of the event loop: reads those that are read, one chunk each, and runs what waits. */
function passTurn(peers: readonly Peer[]): void {
  for (const peer of peers) {
    if (!peer.isRead) continue;
    peer.reads += 1;
    turns.arrived(peer.owner, peer.bytes);
  }
  for (const run of next.splice(0)) run();
}

const readsOf = (peers: readonly Peer[]) => peers.map(({ reads }) => reads);

describe("A4: in a turn of the event loop", () => {
  it("all connections are read that bring little together", () => {
    const peers = [new Peer(LITTLE), new Peer(LITTLE), new Peer(LITTLE)];
    for (let turn = 0; turn < 5; turn++) passTurn(peers);
    expect(readsOf(peers)).toEqual([5, 5, 5]);
  });

  it("one connection is read that brings much, and the next one in the turn after the next", () => {
    const peers = Array.from({ length: 4 }, () => new Peer(MUCH));
    const turnsOf: number[] = [];
    for (let turn = 0; turn < 12; turn++) {
      const before = readsOf(peers);
      passTurn(peers);
      turnsOf.push(readsOf(peers).filter((reads, index) => reads > (before[index] ?? 0)).length);
    }
    expect(Math.max(...turnsOf)).toBe(1);
    const reads = readsOf(peers);
    expect(Math.max(...reads) - Math.min(...reads)).toBeLessThanOrEqual(1);
  });

  it("who brings little is read in every second turn at least, however many bring much", () => {
    const polite = new Peer(LITTLE);
    passTurn([polite]);
    turns.spend(TURN);
    const busy = Array.from({ length: 50 }, () => new Peer(MUCH));
    const peers = [...busy, polite];
    let unread = 0;
    for (let turn = 0; turn < 200; turn++) {
      const { reads } = polite;
      passTurn(peers);
      unread = polite.reads > reads ? 0 : unread + 1;
      expect(unread).toBeLessThanOrEqual(1);
    }
    expect(Math.min(...readsOf(busy))).toBeGreaterThan(0);
  });

  it.each([
    ["some", TURN / 8],
    ["much", MUCH],
  ])("who brings least is read in every second turn at least, beside many who bring %s", (_, bytes) => {
    const polite = new Peer(TURN / 40);
    passTurn([polite]);
    const others = Array.from({ length: 60 }, () => new Peer(bytes));
    const peers = [...others, polite];
    let unread = 0;
    for (let turn = 0; turn < 1_500; turn++) {
      const { reads } = polite;
      // All have been read once.
      if (turn === 1_000) for (const peer of others) peer.reads = 0;
      // Once it has not been read for some time, and has more to bring.
      polite.bytes = turn === 100 ? TURN / 4 : TURN / 40;
      passTurn(peers);
      unread = polite.reads > reads ? 0 : unread + 1;
      expect(unread).toBeLessThanOrEqual(1);
    }
    const reads = readsOf(others);
    expect(Math.min(...reads)).toBeGreaterThan(0);
    expect(Math.max(...reads) / Math.min(...reads)).toBeLessThanOrEqual(3);
  });

  it("who brings much is read too while many who bring little fill each turn", () => {
    const little = Array.from({ length: 100 }, () => new Peer(TURN / 20));
    const much = new Peer(MUCH);
    for (let turn = 0; turn < 2_000; turn++) passTurn([...little, much]);
    expect(much.reads).toBeGreaterThan(40);
    expect(Math.min(...readsOf(little))).toBeGreaterThan(5);
  });

  it("who brings what takes many turns is read again when as many have passed, and the others meanwhile", () => {
    const polite = new Peer(LITTLE);
    passTurn([polite]);
    const heavy = [new Peer(4 * TURN), new Peer(4 * TURN)];
    const peers = [...heavy, polite];
    for (let turn = 0; turn < 20; turn++) passTurn(peers);
    const before = readsOf(peers);
    const TURNS = 160;
    for (let turn = 0; turn < TURNS; turn++) passTurn(peers);
    const [first = 0, second = 0, ofPolite = 0] = readsOf(peers).map(
      (reads, at) => reads - (before[at] ?? 0),
    );
    expect(ofPolite).toBeGreaterThanOrEqual(TURNS / 2);
    // A fourth of a turn's work arrives in a turn, of which the polite connection brings some.
    const most = (TURNS * MUCH) / (4 * TURN);
    expect(first + second).toBeLessThanOrEqual(most + 1);
    expect(first + second).toBeGreaterThanOrEqual(most / 2);
    expect(Math.abs(first - second)).toBeLessThanOrEqual(1);
  });

  it("who brings what takes many turns is read too while many who bring little fill each turn", () => {
    const little = Array.from({ length: 100 }, () => new Peer(TURN / 20));
    const heavy = new Peer(4 * TURN);
    for (let turn = 0; turn < 2_000; turn++) passTurn([...little, heavy]);
    expect(heavy.reads).toBeGreaterThan(10);
    expect(Math.min(...readsOf(little))).toBeGreaterThan(5);
  });

  it("a connection is not read whose calls wait, until they have run", () => {
    const peer = new Peer(LITTLE);
    turns.spend(TURN);
    for (let call = 0; call < 40; call++) turns.wait(peer.owner, () => turns.spend(TURN));
    passTurn([peer]);
    for (let turn = 0; turn < 5; turn++) passTurn([peer]);
    expect(peer.reads).toBe(1);
    for (let turn = 0; turn < 20; turn++) passTurn([peer]);
    expect(peer.reads).toBeGreaterThan(1);
  });

  it("a connection is not read whose peer takes nothing, and is asked again", () => {
    const peer = new Peer(MUCH);
    peer.takesAnswers = false;
    passTurn([peer]);
    for (let turn = 0; turn < 5; turn++) passTurn([peer]);
    expect([peer.reads, next.length]).toEqual([1, 0]);
    peer.takesAnswers = true;
    clock.advance(20);
    expect(peer.isRead).toBe(true);
  });

  it("what was brought and is not read is bounded, and who brings little is read beside it", () => {
    const CHUNK = 64 * 1_024;
    const polite = new Peer(TURN / 40);
    passTurn([polite]);
    const heavy = Array.from({ length: 1_000 }, () => new Peer(MUCH));
    let mostUnread = 0;
    for (let turn = 0; turn < 10_000; turn++) {
      const before = readsOf(heavy);
      passTurn([...heavy, polite]);
      for (const [at, peer] of heavy.entries()) {
        // A chunk takes sixteen turns to read.
        if (peer.reads > (before[at] ?? 0)) peer.unreadBytes = (peer.unreadBytes || CHUNK) - CHUNK / 16;
      }
      mostUnread = Math.max(
        mostUnread,
        heavy.reduce((sum, peer) => sum + peer.unreadBytes, 0),
      );
    }
    expect(mostUnread).toBeGreaterThan(3 * 2 ** 20);
    expect(mostUnread).toBeLessThanOrEqual(4 * 2 ** 20 + CHUNK);
    expect(polite.reads).toBeGreaterThan(4_000);
  });

  it("who has room in a turn is read in it, though others bring more than they did before", () => {
    const others = Array.from({ length: 30 }, () => new Peer(TURN / 400));
    const polite = new Peer(TURN / 400);
    // The others are read before it.
    const peers = [...others, polite];
    for (let turn = 0; turn < 20; turn++) passTurn(peers);
    for (const peer of others) peer.bytes = TURN;
    let unread = 0;
    for (let turn = 0; turn < 60; turn++) {
      const { reads } = polite;
      passTurn(peers);
      unread = polite.reads > reads ? 0 : unread + 1;
      expect(unread).toBeLessThanOrEqual(4);
    }
  });

  it("who left much unread comes behind those who bring more", () => {
    const before = new Peer(TURN / 400);
    const other = new Peer(LITTLE);
    for (let turn = 0; turn < 3; turn++) passTurn([before, other]);
    before.unreadBytes = TURN;
    other.bytes = MUCH;
    passTurn([before, other]);
    expect([before.isRead, other.isRead]).toEqual([false, true]);
  });

  it("all whose peers take again are asked again, though no turn comes", () => {
    const peers = [new Peer(MUCH), new Peer(MUCH), new Peer(MUCH)];
    for (const peer of peers) peer.takesAnswers = false;
    for (const peer of peers) turns.arrived(peer.owner, MUCH);
    for (const peer of peers) peer.isRead = false;
    for (const run of next.splice(0)) run();
    expect(next).toEqual([]);
    for (const peer of peers) peer.takesAnswers = true;
    for (let retries = 0; retries < 5; retries++) clock.advance(20);
    expect(peers.map(({ isRead }) => isRead)).toEqual([true, true, true]);
  });

  it("no more than some are read on in a turn, however little each has brought", () => {
    const peers = Array.from({ length: 1_000 }, () => new Peer(0.1));
    for (let turn = 0; turn < 3; turn++) passTurn(peers);
    const heavy = new Peer(TURN);
    passTurn([heavy]);
    turns.arrived(heavy.owner, TURN);
    for (const peer of peers) peer.bytes = MUCH;
    let most = 0;
    for (let turn = 0; turn < 20; turn++) {
      const before = readsOf(peers);
      passTurn(peers);
      if (turn > 0)
        most = Math.max(most, readsOf(peers).filter((reads, at) => reads > (before[at] ?? 0)).length);
    }
    expect(most).toBeLessThanOrEqual(65);
  });

  it("a connection that is closed is forgotten", () => {
    const peer = new Peer(MUCH);
    passTurn([peer]);
    turns.arrived(peer.owner, MUCH);
    peer.close();
    peer.isRead = false;
    for (let turn = 0; turn < 5; turn++) passTurn([]);
    expect([peer.isRead, next.length]).toEqual([false, 0]);
  });
});
