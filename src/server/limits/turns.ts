/**
 * Bounds the work of one turn of the event loop, so that a peer whose few bytes ask for much work delays others by no more
 * than a turn. Work is counted in bytes copied; an operation counts as some. What does not fit waits for the next turn.
 * What arrives is work too: a connection is read no further in a turn that is over.
 *
 * Connections whose calls wait share turns by work, not by calls (deficit round robin, Shreedhar and Varghese, 1995): each
 * runs calls until its share of work is done, and what a call did beyond it counts in the next rounds, as does what the
 * connection brings: beginning its calls is work too. A connection that has not waited of late has its first share, a larger
 * one, before the others (as the new flows of FQ-CoDel, RFC 8290), and calls it later with what is left of that: a client with
 * a call now and then does not wait for the calls of those that ask for more.
 */
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { Fifo } from "../../common/fifo.ts";
import { type Reader, Readers } from "./readers.ts";

/** The count begins anew in the turn after this part of a turn's work: what little was done in the turns before counts too. */
const WATCHED_PART = 1 / 8;
/** A connection's share of a round, as a part of a turn's work. */
const SHARE_PART = 1 / 16;
/** The first one: a client with few calls may send some at once, and has some behind each pause. */
const FIRST_SHARE_PART = 1 / 4;

/** A connection. */
export interface Owner {
  /** How it is read. Undefined: always. */
  readonly reader?: Reader | undefined;
}

interface Job {
  readonly run: () => void;
  readonly sinceMs: number;
}

interface Line {
  readonly owner: Owner;
  /** The latest is the first. What has begun goes on before what waits. Few: a connection has a bounded number of calls. */
  readonly begun: Job[];
  readonly waiting: Fifo<Job>;
  /** What is left of its share. Negative: it did more. */
  leftBytes: number;
  /** It has done the work of a share, and more calls waited then. */
  busy: boolean;
  /** It is among the lines that run before the others, and among the others. It may be both. */
  isEarly: boolean;
  isOld: boolean;
}

/** How a connection's share ended: with the turn, without more calls, or with its work. */
type Share = "cut" | "empty" | "spent";

export class Turns {
  readonly #maxBytes: number;
  readonly #shareBytes: number;
  readonly #firstShareBytes: number;
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  readonly #nextTurn: (run: () => void) => void;
  readonly #lines = new Map<Owner, Line>();
  /** Lines of owners that had none before, those that had no call and some of their share left when their next one came, and all others. */
  readonly #newLines = new Fifo<Line>();
  readonly #returnedLines = new Fifo<Line>();
  readonly #oldLines = new Fifo<Line>();
  readonly readers: Readers;
  #spentBytes = 0;
  #scheduled = false;
  /** How many calls had to wait for another turn. */
  deferrals = 0;

  /** `nextTurn` runs a function in the next turn. Default: `setImmediate`. */
  constructor(
    maxBytes: number,
    clock: Clock,
    boundary: Boundary,
    nextTurn: (run: () => void) => void = setImmediate,
  ) {
    this.#maxBytes = maxBytes;
    this.#shareBytes = maxBytes * SHARE_PART;
    this.#firstShareBytes = maxBytes * FIRST_SHARE_PART;
    this.#clock = clock;
    this.#boundary = boundary;
    this.#nextTurn = nextTurn;
    this.readers = new Readers(maxBytes, clock, boundary);
  }

  /** Adds to the work of this turn. */
  spend(bytes: number): void {
    this.#spentBytes += bytes;
    if (!this.#scheduled && this.#spentBytes >= this.#maxBytes * WATCHED_PART) this.#schedule();
  }

  /** Adds what a connection has brought to the work of this turn. When that is enough, no connection is read any more in it. */
  arrived(owner: Owner, bytes: number): void {
    this.spend(bytes);
    const line = this.#lines.size === 0 ? undefined : this.#lines.get(owner);
    if (line !== undefined) line.leftBytes -= bytes;
    const { reader } = owner;
    if (reader === undefined) return;
    this.readers.arrived(reader, bytes);
    if (this.readers.waits && !this.#scheduled) this.#schedule();
  }

  /** No more work is to begin in this turn. */
  get over(): boolean {
    return this.#spentBytes >= this.#maxBytes;
  }

  /** Whether a call of `owner` may run now: the turn is not over, and no earlier call of the owner waits. */
  admits(owner: Owner): boolean {
    return this.#spentBytes < this.#maxBytes && (this.#lines.size === 0 || !this.#lines.has(owner));
  }

  /** Runs `run` now if `admits`, and otherwise as `wait`. */
  runOrWait(owner: Owner, run: () => void): void {
    if (this.admits(owner)) run();
    else this.wait(owner, run);
  }

  /** Runs `run` in a later turn, behind what waits for this owner. Whoever is gone by then does nothing in it. */
  wait(owner: Owner, run: () => void): void {
    this.deferrals += 1;
    this.#lineFor(owner).waiting.push({ run, sinceMs: this.#clock.nowMs() });
  }

  /** As `wait`, for what is no call: nobody has waited for it when the oldest call is asked for. */
  queue(owner: Owner, run: () => void): void {
    this.#lineFor(owner).waiting.push({ run, sinceMs: Number.POSITIVE_INFINITY });
  }

  /** As `wait`, before what waits for this owner: `run` goes on with what has begun. */
  goOn(owner: Owner, run: () => void): void {
    this.#lineFor(owner).begun.unshift({ run, sinceMs: this.#clock.nowMs() });
  }

  /** How many calls of this owner wait for their turn. */
  waitingOf(owner: Owner): number {
    const line = this.#lines.get(owner);
    return line === undefined ? 0 : line.waiting.length;
  }

  /** Whether calls of this owner wait that are more than its share: it asks for more than its turns. */
  isBusy(owner: Owner): boolean {
    return this.#lines.get(owner)?.busy === true;
  }

  /** How long the call that waits longest has waited. 0: none waits. `ofBusy`: default, those of busy owners count too. */
  oldestWaitMs(nowMs: number, ofBusy = true): number {
    let oldestMs = nowMs;
    for (const { begun, waiting, busy } of this.#lines.values()) {
      if (busy && !ofBusy) continue;
      oldestMs = Math.min(oldestMs, begun.at(-1)?.sinceMs ?? nowMs, waiting.peek()?.sinceMs ?? nowMs);
    }
    return nowMs - oldestMs;
  }

  /** The line for one more call of an owner. */
  #lineFor(owner: Owner): Line {
    const known = this.#lines.get(owner);
    if (known !== undefined) {
      if (!(known.isEarly || isWaiting(known)) && known.leftBytes > 0) this.#addEarly(known);
      return known;
    }
    const leftBytes = this.#firstShareBytes - (owner.reader?.arrivedBytes ?? 0);
    const line = {
      owner,
      begun: [],
      waiting: new Fifo<Job>(),
      leftBytes,
      busy: false,
      isEarly: false,
      isOld: false,
    };
    this.#lines.set(owner, line);
    this.#addEarly(line);
    if (!this.#scheduled) this.#schedule();
    return line;
  }

  #addEarly(line: Line): void {
    line.isEarly = true;
    if (line.isOld) this.#returnedLines.push(line);
    else this.#newLines.push(line);
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#nextTurn(this.#boundary.guard(undefined, () => this.#run()));
  }

  #run(): void {
    this.#scheduled = false;
    this.readers.readRests();
    this.#spentBytes = 0;
    while (!this.over && this.#runRound());
    this.readers.readOn();
    if ((this.#lines.size > 0 || this.readers.waits) && !this.#scheduled) this.#schedule();
  }

  /** Lets one connection do the work of its share. False: none waits. */
  #runRound(): boolean {
    const early = this.#newLines.shift() ?? this.#returnedLines.shift();
    if (early !== undefined) {
      early.isEarly = false;
      this.#runEarly(early);
      return true;
    }
    const line = this.#oldLines.shift();
    if (line === undefined) return false;
    let state: Share = "spent";
    try {
      state = this.#runShare(line);
      if (state === "spent") this.#renew(line);
    } finally {
      // A line ends when it is found empty here, not before: an owner that comes back at once is not new.
      if (state === "empty" && !line.isEarly) this.#lines.delete(line.owner);
      else this.#oldLines.push(line);
    }
    return true;
  }

  /** What is left of the share of a line that is old already is no more for that it runs early. */
  #runEarly(line: Line): void {
    let state: Share = "spent";
    try {
      state = this.#runShare(line);
      if (state === "spent" && !line.isOld) this.#renew(line);
    } finally {
      if (state === "cut" && !line.isEarly) this.#addEarly(line);
      else if (!line.isOld) {
        line.isOld = true;
        this.#oldLines.push(line);
      }
    }
  }

  #renew(line: Line): void {
    line.leftBytes += this.#shareBytes;
    line.busy ||= isWaiting(line);
  }

  #runShare(line: Line): Share {
    while (line.leftBytes > 0) {
      if (this.over) return "cut";
      const job = takeFirst(line);
      if (job === undefined) return "empty";
      const beforeBytes = this.#spentBytes;
      this.#runJob(job);
      line.leftBytes -= this.#spentBytes - beforeBytes;
    }
    return "spent";
  }

  #runJob(job: Job): void {
    try {
      job.run();
    } catch (error) {
      this.#boundary.caught(undefined, error);
    }
  }
}

function isWaiting({ begun, waiting }: Line): boolean {
  return begun.length > 0 || waiting.length > 0;
}

function takeFirst({ begun, waiting }: Line): Job | undefined {
  return begun.shift() ?? waiting.shift();
}
