/**
 * The audit log: who was denied something, who used more than it may, who cleared a namespace, who looked at a value, and from where
 * somebody came who was not let in. Bounded for each principal, for each network and for all together, and without keys.
 */

/** What was permitted, and is told of all the same. */
export type AuditedAction = "cleared" | "shown";
/** Who was not let in: a call without an identity that holds, or a client without a certificate that does. */
export type AuditedRefusal = "unauthenticated" | "handshake";
type PrincipalKind = "denied" | "limited" | AuditedAction;

export interface AuditLine {
  readonly audit: PrincipalKind | AuditedRefusal;
  readonly principal?: string;
  /** The network of the peer. */
  readonly from?: string;
  readonly reason?: string;
  /** Lines of this kind that were left out: those of this principal, and those for which there were too many of all. */
  readonly unlogged: number;
}

/** Lines of one principal in one interval: a client that is denied something repeats it, and one that clears means it. */
const LINES_MAX: Readonly<Record<PrincipalKind, number>> = { denied: 1, limited: 1, cleared: 10, shown: 10 };
/** Those of one network for one reason. */
const REFUSAL_LINES_MAX = 1;
const INTERVAL_MS = 10_000;
/** Of all principals together, for each kind: an issuer of tokens may name any number of them. */
const ALL_LINES_MAX = 1_000;
/** Of all networks together, for each kind: whoever reaches the port can cause them. */
const ALL_REFUSAL_LINES_MAX = 100;
/** Kinds of principals, and reasons of networks, that are counted. Beyond, the one is forgotten that began first. */
const COUNTED_MAX = 2_048;

const MESSAGES: Readonly<Record<AuditLine["audit"], string>> = {
  denied: "an operation was denied",
  limited: "a principal has used what it may",
  cleared: "a namespace was cleared",
  shown: "a value was shown to an operator",
  unauthenticated: "a call was refused, since it is not known whose it is",
  handshake: "a client was refused, since its certificate does not hold",
};

interface Interval {
  readonly sinceMs: number;
  readonly unloggedBefore: number;
  lines: number;
  unlogged: number;
}

export class AuditLog {
  /** Where the lines go, once somebody has a log. */
  write: (line: AuditLine, message: string) => void = () => {};
  readonly #wallNow: () => number;
  readonly #ofPrincipals = new Map<string, Interval>();
  /** Apart, so that whoever is not let in makes it forget nobody who is. */
  readonly #ofNetworks = new Map<string, Interval>();
  readonly #ofAll = new Map<string, Interval>();

  constructor(wallNow: () => number = Date.now) {
    this.#wallNow = wallNow;
  }

  /** `about`: what else the line says. */
  record(audit: PrincipalKind, principal: string, about: Readonly<Record<string, string>>): void {
    const own = this.#intervalOf(this.#ofPrincipals, `${audit} ${principal}`);
    this.#write({ audit, principal, ...about }, own, LINES_MAX[audit], ALL_LINES_MAX);
  }

  /** `reason`: one of a few. `about`: what else the line says, such as the principal that somebody was. */
  refused(
    audit: AuditedRefusal,
    from: string,
    reason: string,
    about: Readonly<Record<string, string>> = {},
  ): void {
    const own = this.#intervalOf(this.#ofNetworks, `${audit} ${reason} ${from}`);
    this.#write({ audit, from, reason, ...about }, own, REFUSAL_LINES_MAX, ALL_REFUSAL_LINES_MAX);
  }

  #write(line: Omit<AuditLine, "unlogged">, own: Interval, ownMax: number, allMax: number): void {
    const ofAll = this.#intervalOf(this.#ofAll, line.audit);
    const full = own.lines >= ownMax ? own : ofAll.lines >= allMax ? ofAll : undefined;
    if (full !== undefined) {
      full.unlogged += 1;
      return;
    }
    const unlogged = countLine(own) + countLine(ofAll);
    this.write({ ...line, unlogged }, MESSAGES[line.audit]);
  }

  #intervalOf(counted: Map<string, Interval>, id: string): Interval {
    const nowMs = this.#wallNow();
    const known = counted.get(id);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : nowMs - known.sinceMs;
    // Below 0: the clock was set back.
    if (known !== undefined && ageMs >= 0 && ageMs < INTERVAL_MS) return known;
    const next = { sinceMs: nowMs, unloggedBefore: known?.unlogged ?? 0, lines: 0, unlogged: 0 };
    counted.delete(id);
    const [oldest] = counted.keys();
    if (counted.size >= COUNTED_MAX && oldest !== undefined) counted.delete(oldest);
    counted.set(id, next);
    return next;
  }
}

/** Returns how many lines were left out before this one that no other has told of. */
function countLine(interval: Interval): number {
  interval.lines += 1;
  return interval.lines === 1 ? interval.unloggedBefore : 0;
}
