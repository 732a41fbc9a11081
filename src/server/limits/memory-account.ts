/**
 * The account of the memory that calls hold: requests that arrive, results that wait, and answers that the peer has not
 * taken. It is kept for each connection and for the process.
 *
 * A connection may hold as many bytes as are still free (the dynamic thresholds of Choudhury and Hahne, 1998): alone it gets
 * half of the bound, and however many hold what they can, some room is left for the next. That room is not for the connections
 * of a principal that already holds most of what is shared.
 */
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import type { HeldMemory } from "../../security/access/meter.ts";
import { ConnectionMemory } from "./connection-memory.ts";
import type { HeldTotal } from "./quotas.ts";
import { Reader, type Reading } from "./readers.ts";
import { TRANSPORT_BOUNDS, type TransportLimits } from "./transport-limits.ts";
import { Turns } from "./turns.ts";

export type MemoryLimits = Pick<TransportLimits, "connectionMaxHeldBytes" | "heldMaxBytes">;

/** Up to this part of the bound connections share what is free. The rest is for those that hold few answers. */
export const SHARED_PART = 0.75;

const MEMORY = Symbol("memory");
const READER = Symbol("reader");
type Session = object & { [MEMORY]?: ConnectionMemory; [READER]?: Reader };

export class MemoryAccount {
  readonly total: HeldTotal;
  /** In which the calls of all connections run. */
  readonly turns: Turns;
  readonly connectionMaxBytes: number;
  readonly maxBytes: number;
  readonly sharedMaxBytes: number;
  /** Requests that were refused, and calls that were cut, because memory was short. */
  refusals = 0;
  /** Unary calls, and operations of batches, of all connections so far. */
  operations = 0;
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

  /**
   * The account of a connection, which ends with it, for the calls of one principal: a proxy may join those of several in one
   * connection. `session` undefined: its connection is gone.
   */
  of(session: Session | undefined, principal?: HeldMemory): ConnectionMemory {
    if (session === undefined) return new ConnectionMemory(this, principal);
    session[MEMORY] ??= new ConnectionMemory(this, principal, session[READER]);
    return session[MEMORY].of(principal);
  }

  /** Counts what the connection has brought as work of the turn. */
  arrived(session: Session, bytes: number): void {
    this.turns.arrived(session[MEMORY] ?? { reader: session[READER] }, bytes);
  }

  /**
   * Counts what the connection has brought, and is not read since its peer takes no answers, as held. Negative: so many bytes are
   * held no longer.
   */
  unread(session: Session, bytes: number): void {
    session[MEMORY] ??= new ConnectionMemory(this, undefined, session[READER]);
    session[MEMORY].addUnread(bytes);
  }

  /** The connection is read as turns let it. Returns what is to be called when it is closed. */
  boundReading(session: Session, reading: Reading, expectedBytes?: number): () => void {
    const { readers } = this.turns;
    const reader = new Reader(reading, () => this.waitingCallsOf(session), expectedBytes);
    session[READER] = reader;
    readers.add(reader);
    return () => readers.delete(reader);
  }

  /** The calls of a connection that wait for their turn. */
  waitingCallsOf(session: Session): number {
    let calls = 0;
    for (const memory of session[MEMORY]?.all() ?? []) calls += this.turns.waitingOf(memory);
    return calls;
  }

  /** So many bytes more than connections may share are held. Calls have to be cut, those of the largest holders first. */
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
      if (connection.waits) {
        if (ran) this.#waiting.add(connection);
        else stuck.push(connection);
      }
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
