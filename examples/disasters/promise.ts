/** What the users of the example are promised, and the check of it. */

/** For so long a process may serve its copies without news from the server. */
export const LEASE_MS = 1_000;

interface Acknowledged {
  readonly version: number;
  readonly atMs: number;
}

/** A value that is older than the promise allows. */
export interface WrongValue {
  readonly key: string;
  readonly version: number;
  readonly expected: number;
}

export class PromiseCheck {
  readonly wrong: WrongValue[] = [];
  readonly #acknowledged = new Map<string, Acknowledged[]>();

  /** The writer was told that the copies of this version's predecessors are gone. */
  acknowledged(key: string, version: number, atMs: number): void {
    this.#acknowledged.set(key, [...(this.#acknowledged.get(key) ?? []), { version, atMs }]);
  }

  /** A read that began later than the lease after a write was acknowledged must see it. */
  read(key: string, version: number, begunAtMs: number): void {
    const known = (this.#acknowledged.get(key) ?? []).filter(({ atMs }) => atMs + LEASE_MS < begunAtMs);
    const expected = Math.max(1, ...known.map((one) => one.version));
    if (version < expected) this.wrong.push({ key, version, expected });
  }
}
