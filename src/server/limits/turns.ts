/**
 * Bounds the work of one turn of the event loop, so that a peer whose few bytes ask for much work delays others by no more
 * than a turn. Work is counted in bytes copied; an operation counts as some. What does not fit waits for the next turn, in
 * which connections run one call each, and then the next.
 *
 * A connection that has not waited of late runs before those that have (as the new flows of FQ-CoDel, RFC 8290): a client
 * with a call now and then does not wait for all calls of the others.
 */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { Fifo } from "../../common/fifo.ts";

/** What an operation costs beside what it copies, in bytes that are copied in the same time. */
export const OPERATION_WORK_BYTES = 4 * 1024;
/** What an error of an operation costs: it is made, described and encoded. */
export const ERROR_WORK_BYTES = 32 * 1024;
/** What a frame of an Exchange costs beside its operations. */
export const FRAME_WORK_BYTES = 4 * 1024;
/** What a key of an Invalidate costs. */
export const KEY_WORK_BYTES = 1024;
/** The count begins anew in the turn after this part of a turn's work: what little was done in the turns before counts too. */
const WATCHED_PART = 1 / 8;

/** A connection. */
type Owner = object;

interface Job {
  readonly run: () => void;
  readonly sinceMs: number;
}

interface Line {
  readonly owner: Owner;
  /** The first is at the end: what has begun goes on first. Few: a connection has a bounded number of calls. */
  readonly begun: Job[];
  readonly waiting: Job[];
  /** Index of the first in `waiting`. */
  first: number;
}

export class Turns {
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  readonly #nextTurn: (run: () => void) => void;
  readonly #lines = new Map<Owner, Line>();
  /** Lines of owners that had none before, and the others. Each is in one of the two. */
  readonly #newLines = new Fifo<Line>();
  readonly #oldLines = new Fifo<Line>();
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
    this.#clock = clock;
    this.#boundary = boundary;
    this.#nextTurn = nextTurn;
  }

  /** Adds to the work of this turn. */
  spend(bytes: number): void {
    this.#spentBytes += bytes;
    if (!this.#scheduled && this.#spentBytes >= this.#maxBytes * WATCHED_PART) this.#schedule();
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
    this.#lineOf(owner).waiting.push({ run, sinceMs: this.#clock.nowMs() });
  }

  /** As `wait`, before what waits for this owner: `run` goes on with what has begun. */
  goOn(owner: Owner, run: () => void): void {
    this.#lineOf(owner).begun.unshift({ run, sinceMs: this.#clock.nowMs() });
  }

  /** How many calls of this owner wait for their turn. */
  waitingOf(owner: Owner): number {
    const line = this.#lines.get(owner);
    return line === undefined ? 0 : line.waiting.length - line.first;
  }

  /** How long the call that waits longest has waited. 0: none waits. */
  oldestWaitMs(nowMs: number): number {
    let oldestMs = nowMs;
    for (const { begun, waiting, first } of this.#lines.values()) {
      oldestMs = Math.min(oldestMs, begun[0]?.sinceMs ?? nowMs, waiting[first]?.sinceMs ?? nowMs);
    }
    return nowMs - oldestMs;
  }

  #lineOf(owner: Owner): Line {
    let line = this.#lines.get(owner);
    if (line === undefined) {
      line = { owner, begun: [], waiting: [], first: 0 };
      this.#lines.set(owner, line);
      this.#newLines.push(line);
      if (!this.#scheduled) this.#schedule();
    }
    return line;
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#nextTurn(this.#boundary.guard(undefined, () => this.#run()));
  }

  #run(): void {
    this.#scheduled = false;
    this.#spentBytes = 0;
    while (!this.over) {
      const line = this.#newLines.shift() ?? this.#oldLines.shift();
      if (line === undefined) return;
      this.#runNext(line);
    }
    if (this.#lines.size > 0 && !this.#scheduled) this.#schedule();
  }

  #runNext(line: Line): void {
    const job = takeFirst(line);
    // A line ends when it is found empty, not when it becomes so: an owner that comes back at once is not new.
    if (job === undefined) {
      this.#lines.delete(line.owner);
      return;
    }
    this.#oldLines.push(line);
    try {
      job.run();
    } catch (error) {
      this.#boundary.caught(undefined, error);
    }
  }
}

function takeFirst(line: Line): Job | undefined {
  const begun = line.begun.shift();
  if (begun !== undefined) return begun;
  const job = line.waiting[line.first];
  line.first += 1;
  if (line.first >= line.waiting.length) {
    line.waiting.length = 0;
    line.first = 0;
  }
  return job;
}
