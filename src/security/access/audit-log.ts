/** The audit log: who was denied something, who used more than it may, and who cleared a namespace. Bounded for each principal, and without keys. */

export type AuditKind = "denied" | "limited" | "cleared";

export interface AuditLine {
  readonly audit: AuditKind;
  readonly principal: string;
  /** Lines of this kind and principal that were left out since the last one. */
  readonly unlogged: number;
}

/** Lines of one principal in one interval: a client that is denied something repeats it, and one that clears means it. */
const LINES_MAX: Readonly<Record<AuditKind, number>> = { denied: 1, limited: 1, cleared: 10 };
const INTERVAL_MS = 10_000;
/** Kinds of principals that are counted. Beyond, the one is forgotten that began first. */
const COUNTED_MAX = 2_048;

const MESSAGES: Readonly<Record<AuditKind, string>> = {
  denied: "an operation was denied",
  limited: "a principal has used what it may",
  cleared: "a namespace was cleared",
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
  readonly #intervals = new Map<string, Interval>();

  constructor(wallNow: () => number = Date.now) {
    this.#wallNow = wallNow;
  }

  /** `about`: what else the line says. */
  record(audit: AuditKind, principal: string, about: Readonly<Record<string, string>>): void {
    const interval = this.#intervalOf(audit, principal);
    if (interval.lines >= LINES_MAX[audit]) {
      interval.unlogged += 1;
      return;
    }
    interval.lines += 1;
    const unlogged = interval.lines === 1 ? interval.unloggedBefore : 0;
    this.write({ audit, principal, ...about, unlogged }, MESSAGES[audit]);
  }

  #intervalOf(audit: AuditKind, principal: string): Interval {
    const nowMs = this.#wallNow();
    const id = `${audit} ${principal}`;
    const known = this.#intervals.get(id);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : nowMs - known.sinceMs;
    // Below 0: the clock was set back.
    if (known !== undefined && ageMs >= 0 && ageMs < INTERVAL_MS) return known;
    const next = { sinceMs: nowMs, unloggedBefore: known?.unlogged ?? 0, lines: 0, unlogged: 0 };
    this.#intervals.delete(id);
    const [oldest] = this.#intervals.keys();
    if (this.#intervals.size >= COUNTED_MAX && oldest !== undefined) this.#intervals.delete(oldest);
    this.#intervals.set(id, next);
    return next;
  }
}
