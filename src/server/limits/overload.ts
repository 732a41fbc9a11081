/**
 * Sheds load by kind when a server has more to do than it can: Increments and Sets without a lease first, then Gets. Never an Invalidate, a
 * Touch, a Lease, its release or its fill: copies depend on them, and a load that was made is worth keeping.
 *
 * Pressure is a call that waits long for its turn, a late event loop, or much memory held by calls. When it lasts, the part
 * of calls that is refused grows, and it shrinks when the pressure is gone. Connections whose calls wait one behind the other
 * are refused first: what one peer asks for is not refused to the others. Others are only refused anything when their calls wait
 * long too, since many make the load together. Gets are refused for calls that wait alone: an event loop is late too where the host lacks a processor
 * and no call waits, and memory that peers do not take is not freed by refusing the reads of others. Little resident memory
 * left refuses Sets alone.
 */
import { type CacheError, overloaded } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import type { TransportLimits } from "./transport-limits.ts";

/** Kinds of operations that may be refused. */
export type ShedKind = "get" | "set";

/** What is read to know whether a server is under pressure. */
export interface LoadSignals {
  /** The 99th percentile of the delay of the event loop since the last call, in milliseconds. */
  eventLoopDelayMs(): number;
  /** How long the call that waits longest for its turn has waited. `ofBusy`: those of busy connections count too. */
  oldestWaitMs(nowMs: number, ofBusy: boolean): number;
  /** What calls hold, of what they may hold: 0 to 1. */
  heldShare(): number;
  /** The resident memory of the process, of what it may have: 0 to 1. */
  residentShare(nowMs: number): number;
  /** Whether calls of this connection have waited for their turns one behind the other. */
  isBusy(connection: object): boolean;
}

export type OverloadLimits = Pick<TransportLimits, "shedDelayMs" | "shedAfterMs">;

const FULL_SHARE = 0.9;
/** Severity up to 1 is the part of Sets of busy connections that is refused; above 1 follow their Gets, then others' Sets and Gets. */
const OTHERS_FROM = 2;
const BUSY_MAX = 2;
const RISE = 0.2;
const FALL = 0.2;
const SEVERITY_MAX = 3.95;
/** Of the part that is refused; from half of that to one and a half times as much, so that callers do not come back together. */
const PUSHBACK_MS = 250;

export class Overload {
  /** Operations that were refused, by kind. */
  readonly counts: Record<ShedKind, number> = { get: 0, set: 0 };
  readonly #signals: LoadSignals;
  readonly #limits: OverloadLimits;
  readonly #rng: Rng;
  #severity = 0;
  #heldIsFull = false;
  #memoryIsShort = false;
  #pressedSinceMs: number | undefined;

  constructor(signals: LoadSignals, limits: OverloadLimits, rng: Rng) {
    this.#signals = signals;
    this.#limits = limits;
    this.#rng = rng;
  }

  /** The part of the operations of this kind that is refused to connections that are busy, or to the others. */
  shedPart(kind: ShedKind, isBusy: boolean): number {
    const severity = this.#severity - (isBusy ? 0 : OTHERS_FROM);
    if (kind === "get") return toPart(severity - 1);
    if (this.#memoryIsShort) return 1;
    return toPart(this.#heldIsFull ? this.#severity : severity);
  }

  /** Undefined: the operation may run. Otherwise what it has to end with, which is UNAVAILABLE. */
  refusalOf(kind: ShedKind, connection: object): CacheError | undefined {
    if (this.#severity === 0 && !this.#memoryIsShort) return undefined;
    const part = this.shedPart(kind, this.#signals.isBusy(connection));
    if (this.#rng.fraction() >= part) return undefined;
    this.counts[kind] += 1;
    const pushbackMs = Math.ceil(PUSHBACK_MS * part * (0.5 + this.#rng.fraction()));
    return overloaded(pushbackMs);
  }

  /** To be called a few times a second. */
  check(nowMs: number): void {
    this.#memoryIsShort = this.#signals.residentShare(nowMs) >= FULL_SHARE;
    const { shedDelayMs, shedAfterMs } = this.#limits;
    const callsWait = this.#signals.oldestWaitMs(nowMs, true) > shedDelayMs;
    const loopIsLate = this.#signals.eventLoopDelayMs() > shedDelayMs;
    this.#heldIsFull = this.#signals.heldShare() >= FULL_SHARE;
    if (!callsWait && !loopIsLate && !this.#heldIsFull) {
      this.#pressedSinceMs = undefined;
      this.#severity = Math.max(0, this.#severity - FALL);
      return;
    }
    const othersWait = this.#signals.oldestWaitMs(nowMs, false) > shedDelayMs;
    const most = othersWait ? SEVERITY_MAX : callsWait ? BUSY_MAX : 1;
    this.#pressedSinceMs ??= nowMs;
    if (this.#severity > most) this.#severity = Math.max(most, this.#severity - FALL);
    else if (nowMs - this.#pressedSinceMs >= shedAfterMs) {
      this.#severity = Math.min(most, this.#severity + RISE);
    }
  }
}

function toPart(severity: number): number {
  return Math.min(1, Math.max(0, severity));
}
