/** Whose leases this server's callers have: those of a stream end with its last one. */
import type { Rng } from "../common/random.ts";
import type { LeaseHolder } from "../store/api/store.ts";

export interface HeldLease {
  readonly namespace: string;
  readonly key: string;
  readonly token: bigint;
  /** When it ends by itself, by the clock. */
  readonly untilMs: number;
}

interface OpenHolder {
  readonly holder: LeaseHolder;
  streams: number;
  /** By token. */
  readonly leases: Map<bigint, HeldLease>;
}

/** To look at all leases takes a while where there are many. */
const EXPIRE_INTERVAL_MS = 1_000;

export class LeaseHolders {
  readonly #rng: Rng;
  /** Of streams. */
  readonly #open = new Map<number, OpenHolder>();
  readonly #byToken = new Map<bigint, OpenHolder>();
  readonly #ofLease = new Map<bigint, OpenHolder>();
  #lastId = 0;
  #expireAtMs = 0;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** Its leases end by time alone: an odd id, which is in no list. */
  unlisted(): LeaseHolder {
    return { id: this.#nextId() + 1, token: 0n };
  }

  open(predecessor: bigint): LeaseHolder {
    const former = this.#byToken.get(predecessor);
    if (former !== undefined) {
      former.streams += 1;
      return former.holder;
    }
    const holder = { id: this.#nextId(), token: this.#rng.uint64() };
    const opened = { holder, streams: 1, leases: new Map() };
    this.#open.set(holder.id, opened);
    this.#byToken.set(holder.token, opened);
    return holder;
  }

  /** Returns the leases that end with it. */
  close({ id, token }: LeaseHolder): readonly HeldLease[] {
    const opened = this.#open.get(id);
    if (opened === undefined) return [];
    opened.streams -= 1;
    if (opened.streams > 0) return [];
    this.#open.delete(id);
    this.#byToken.delete(token);
    const leases = [...opened.leases.values()];
    for (const lease of leases) this.#ofLease.delete(lease.token);
    return leases;
  }

  /** False: the holder has ended, and so must the lease. */
  took(id: number, lease: HeldLease): boolean {
    const opened = this.#open.get(id);
    if (opened === undefined) return id % 2 === 1 || id === 0;
    opened.leases.set(lease.token, lease);
    this.#ofLease.set(lease.token, opened);
    return true;
  }

  /** The lease has ended. */
  forget(token: bigint): void {
    this.#ofLease.get(token)?.leases.delete(token);
    this.#ofLease.delete(token);
  }

  /** Forgets what has ended by time, now and then. */
  expire(nowMs: number): void {
    if (nowMs < this.#expireAtMs) return;
    this.#expireAtMs = nowMs + EXPIRE_INTERVAL_MS;
    for (const [token, { leases }] of this.#ofLease) {
      const lease = leases.get(token);
      if (lease === undefined || lease.untilMs <= nowMs) this.forget(token);
    }
  }

  /** Even. */
  #nextId(): number {
    this.#lastId = (this.#lastId + 2) % 0x1_0000_0000 || 2;
    return this.#lastId;
  }
}
