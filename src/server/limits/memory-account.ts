/**
 * The account of the memory that calls hold: requests that arrive, results that wait, and answers that the peer has not
 * taken. It is kept for each connection and for the process.
 *
 * A connection may hold as many bytes as are still free (the dynamic thresholds of Choudhury and Hahne, 1998): alone it gets
 * half of the bound, and however many hold what they can, some room is left for the next.
 */
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { type CacheError, limitExceeded } from "../../common/errors.ts";
import type { HeldTotal } from "./quotas.ts";
import { TRANSPORT_BOUNDS, type TransportLimits } from "./transport-limits.ts";
import { Turns } from "./turns.ts";

export type MemoryLimits = Pick<TransportLimits, "connectionMaxHeldBytes" | "heldMaxBytes">;

/** Requests of at most this size arrive in any case: a connection has a bounded number of streams. */
const SMALL_REQUEST_BYTES = 4 * 1024;
/** Up to this part of the bound connections share what is free. The rest is for connections that hold no answer. */
const SHARED_PART = 0.75;

const MEMORY = Symbol("memory");
type Session = object & { [MEMORY]?: ConnectionMemory };

export class MemoryAccount {
  readonly total: HeldTotal;
  /** In which the calls of all connections run. */
  readonly turns: Turns;
  readonly connectionMaxBytes: number;
  readonly maxBytes: number;
  readonly sharedMaxBytes: number;
  /** Requests that were refused, and calls that were cut, because memory was short. */
  refusals = 0;
  /** Connections with calls that wait for memory, the longest first. */
  readonly #waiting = new Set<ConnectionMemory>();
  readonly #boundary: Boundary;
  #wakes = false;

  /** `turns`: default, turns of the default length. */
  constructor(
    limits: MemoryLimits,
    total: HeldTotal,
    boundary: Boundary,
    turns = new Turns(TRANSPORT_BOUNDS.turnMaxBytes.fallback, systemClock, boundary),
  ) {
    this.total = total;
    this.connectionMaxBytes = limits.connectionMaxHeldBytes;
    this.maxBytes = limits.heldMaxBytes;
    this.sharedMaxBytes = SHARED_PART * limits.heldMaxBytes;
    this.#boundary = boundary;
    this.turns = turns;
  }

  /** The account of a connection, which ends with it. `session` undefined: its connection is gone. */
  of(session: Session | undefined): ConnectionMemory {
    if (session === undefined) return new ConnectionMemory(this);
    session[MEMORY] ??= new ConnectionMemory(this);
    return session[MEMORY];
  }

  /** So many bytes more than connections may share are held. Calls have to be cut. */
  excessBytes(): number {
    return Math.max(0, this.total.exactBytes() - this.sharedMaxBytes);
  }

  /** Lists a connection whose calls wait. */
  enlist(connection: ConnectionMemory): void {
    this.#waiting.add(connection);
  }

  /** Bytes were freed: in the next turn calls that wait are run. */
  freed(): void {
    if (this.#wakes || this.#waiting.size === 0) return;
    this.#wakes = true;
    setImmediate(
      this.#boundary.guard(undefined, () => {
        this.#wakes = false;
        this.retry();
      }),
    );
  }

  /** Runs the calls for which there is memory again, one of each connection in turn. */
  retry(): void {
    this.total.exactBytes();
    const stuck: ConnectionMemory[] = [];
    // A connection that is deleted and added again comes behind the others.
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection);
      const ran = this.#runNext(connection);
      if (!connection.waits) continue;
      if (ran) this.#waiting.add(connection);
      else stuck.push(connection);
      if (ran && this.turns.over) {
        this.freed();
        break;
      }
    }
    for (const connection of stuck) this.#waiting.add(connection);
  }

  /** False: it has to wait on. */
  #runNext(connection: ConnectionMemory): boolean {
    try {
      return connection.runNext();
    } catch (error) {
      this.#boundary.caught(undefined, error);
      return true;
    }
  }
}

/** What the calls of one connection hold. */
export class ConnectionMemory {
  readonly #account: MemoryAccount;
  /** Of requests that arrive, and of those whose calls wait. */
  #requestBytes = 0;
  /** Of results that wait for others, and of answers until the connection has taken them. */
  #answerBytes = 0;
  #waiting: (() => void)[] = [];
  /** Index of the first: to shift a long array moves all of it. */
  #firstWaiting = 0;

  constructor(account: MemoryAccount) {
    this.#account = account;
  }

  get heldBytes(): number {
    return this.#requestBytes + this.#answerBytes;
  }

  /** The turns in which its calls run. */
  get turns(): Turns {
    return this.#account.turns;
  }

  get waits(): boolean {
    return this.#firstWaiting < this.#waiting.length;
  }

  /** Negative: so many bytes are held no longer. */
  addRequest(bytes: number): void {
    this.#requestBytes += bytes;
    this.#account.total.add(bytes);
    if (bytes < 0) this.#account.freed();
  }

  /** Negative: so many bytes are held no longer. */
  addAnswer(bytes: number): void {
    this.#answerBytes += bytes;
    this.#account.total.add(bytes);
    if (bytes < 0) this.#account.freed();
  }

  /** Whether there is memory for one more answer. Always for the first one, unless the process has none left. */
  admitsAnswer(): boolean {
    const { total, maxBytes, sharedMaxBytes, connectionMaxBytes } = this.#account;
    const heldBytes = this.#answerBytes;
    if (heldBytes === 0) return total.bytes < maxBytes;
    return heldBytes < connectionMaxBytes && heldBytes + total.bytes < sharedMaxBytes;
  }

  /** Undefined: the request of a call may hold so many bytes. Otherwise the call has to end with this error. */
  refusalOf(requestBytes: number): CacheError | undefined {
    if (requestBytes <= SMALL_REQUEST_BYTES) return undefined;
    const { total, connectionMaxBytes, sharedMaxBytes, maxBytes } = this.#account;
    const heldBytes = this.#requestBytes;
    if (heldBytes > connectionMaxBytes) return this.#refuse("connection_held_bytes", connectionMaxBytes);
    // A connection that holds nothing else gets room for its only request.
    const roomBytes = heldBytes === requestBytes ? maxBytes : sharedMaxBytes - heldBytes;
    return total.bytes < roomBytes ? undefined : this.#refuse("held_bytes", maxBytes);
  }

  /** Calls `run` when there is memory for an answer, not now. Whoever is gone by then does nothing in it. */
  wait(run: () => void): void {
    this.#waiting.push(run);
    this.#account.enlist(this);
  }

  /** Runs the call that waits longest. False: none waits, or there is no memory for its answer. */
  runNext(): boolean {
    const run = this.#waiting[this.#firstWaiting];
    if (run === undefined || !this.admitsAnswer()) return false;
    this.#firstWaiting += 1;
    if (this.#firstWaiting === this.#waiting.length) {
      this.#waiting = [];
      this.#firstWaiting = 0;
    }
    run();
    return true;
  }

  #refuse(limit: string, bound: number): CacheError {
    this.#account.refusals += 1;
    return limitExceeded(limit, String(bound));
  }
}
