/**
 * The stores that a client has met behind each address, by their epochs. A restart ends a store for good. So a store that is
 * met again after another one at the same address lives beside it: E1, E2, E1. A store whose server drains is about to end,
 * and does not count.
 */

interface Sightings {
  current: bigint;
  /** The epochs before it, the oldest first, except those whose server drained. */
  readonly left: Set<bigint>;
}

/** At one address. A store that was left before so many others is taken for a new one. */
const LEFT_MAX = 64;

export class StoreSightings {
  /** As many as the client has addresses. */
  readonly #byAddress = new Map<string, Sightings>();

  /** A stream to this store is the primary. True: it was met here before, and another one since. */
  met(address: string, epoch: bigint): boolean {
    const known = this.#byAddress.get(address);
    if (known === undefined) {
      this.#byAddress.set(address, { current: epoch, left: new Set() });
      return false;
    }
    if (known.current === epoch) return false;
    const isBack = known.left.delete(epoch);
    const hasDrained = known.current === 0n;
    if (!hasDrained) known.left.add(known.current);
    for (const oldest of known.left) {
      if (known.left.size <= LEFT_MAX) break;
      known.left.delete(oldest);
    }
    known.current = epoch;
    return isBack && !hasDrained;
  }

  /** The server of the store that was met here last is about to end. */
  drains(address: string): void {
    const known = this.#byAddress.get(address);
    if (known !== undefined) known.current = 0n;
  }
}
