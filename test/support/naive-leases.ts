/** A simple model of the leases of a shard that several threads share. `Leases` must behave the same. */
import type { StoreCounters } from "../../src/store/api/store.ts";

/** An answer, or the end of a wait. Tokens are numbers in the order of the grants. */
export type NaiveResult =
  | { readonly kind: "hit"; readonly revision: number }
  | {
      readonly kind: "granted";
      readonly revision: number;
      readonly token: number;
      readonly leaseMs: number;
      readonly stale: string | undefined;
    }
  | {
      readonly kind: "held";
      readonly revision: number;
      readonly retryAfterMs: number;
      readonly stale: string | undefined;
    }
  | { readonly kind: "waiting" };

export interface NaiveLimits {
  readonly leasesMax: number;
  readonly leasesOfHolderMax: number;
  readonly leasesOfNamespaceMax: number;
  readonly waitersMax: number;
  readonly waitersOfShardMax: number;
  readonly textBlocks: number;
}

export interface NaiveName {
  readonly namespace: string;
  readonly key: string;
}

interface NaiveWaiter {
  readonly id: number;
  readonly thread: number;
  readonly deadlineMs: number;
  readonly leaseMs: number;
  readonly holder: number;
}

interface NaiveLease extends NaiveName {
  readonly holder: number;
  readonly token: number;
  readonly revision: number;
  readonly expiresAtMs: number;
  readonly waiters: readonly NaiveWaiter[];
}

interface NaiveMessage extends NaiveName {
  readonly to: number;
  readonly ids: number[];
  readonly result: NaiveResult;
}

type LeaseCounter = Extract<keyof StoreCounters, `leases${string}`>;

export class NaiveLeases {
  readonly counters: Record<LeaseCounter, number> = {
    leasesGranted: 0,
    leasesHeld: 0,
    leasesShared: 0,
    leasesFilled: 0,
    leasesLost: 0,
    leasesExpired: 0,
    leasesReleased: 0,
    leasesAbandoned: 0,
    leasesDisplaced: 0,
    leasesRefused: 0,
  };
  /** By wait: its answer. */
  readonly told = new Map<number, NaiveResult>();
  /** Messages under way to another thread. */
  readonly mail: NaiveMessage[] = [];
  /** In the order of the grants. */
  leases: NaiveLease[] = [];
  revision = 0;
  nowMs = 1_000;
  readonly #limits: NaiveLimits;
  readonly #staleOf: (name: NaiveName) => string | undefined;
  readonly #cancelled = new Set<number>();
  #tokens = 0;
  #thread = 0;

  constructor(limits: NaiveLimits, staleOf: (name: NaiveName) => string | undefined) {
    this.#limits = limits;
    this.#staleOf = staleOf;
  }

  /** The following calls are made in this thread, at this time. */
  in(thread: number): this {
    this.#thread = thread;
    this.#endWaits();
    const expired = this.leases.filter(({ expiresAtMs }) => expiresAtMs <= this.nowMs);
    for (const lease of expired.sort((one, other) => one.expiresAtMs - other.expiresAtMs)) {
      this.counters.leasesExpired++;
      this.#end(lease);
    }
    return this;
  }

  ask(name: NaiveName, waitMs: number, leaseMs: number, id: number, holder: number): NaiveResult {
    const lease = this.leases.find((one) => isSame(one, name));
    if (lease === undefined) {
      const count = this.#countOf(holder);
      const { leasesOfHolderMax, leasesOfNamespaceMax } = this.#limits;
      const ofNamespace = this.leases.filter(({ namespace }) => namespace === name.namespace).length;
      if (count >= leasesOfHolderMax || ofNamespace >= leasesOfNamespaceMax) return this.#refuse(name, 100);
      while (this.leases.length >= this.#limits.leasesMax || !this.#hasText(name)) {
        if (!this.#displaceBeyond(count + 1)) return this.#refuse(name, 100);
      }
      return this.#grant(name, leaseMs, holder, []);
    }
    const leftMs = lease.expiresAtMs - this.nowMs;
    if (waitMs === 0) {
      this.counters.leasesHeld++;
      return this.#held(name, leftMs);
    }
    const { waitersMax, waitersOfShardMax } = this.#limits;
    const waiting = this.leases.reduce((sum, { waiters }) => sum + waiters.length, 0);
    if (lease.waiters.length >= waitersMax || waiting >= waitersOfShardMax) return this.#refuse(name, leftMs);
    const waiter = { id, thread: this.#thread, deadlineMs: this.nowMs + waitMs, leaseMs, holder };
    this.#replace(lease, { ...lease, waiters: [...lease.waiters, waiter] });
    return { kind: "waiting" };
  }

  fill(name: NaiveName, token: number | undefined): void {
    this.revision++;
    const lease = this.leases.find((one) => isSame(one, name));
    if (lease === undefined) return;
    this.leases = this.leases.filter((one) => one !== lease);
    this.counters[lease.token === token ? "leasesFilled" : "leasesLost"]++;
    this.counters.leasesShared += lease.waiters.length;
    const result: NaiveResult = { kind: "hit", revision: this.revision };
    for (const waiter of lease.waiters) this.#tell(waiter, lease, result);
  }

  void(covers: (name: NaiveName) => boolean): void {
    this.revision++;
    for (const lease of this.leases.filter(covers)) {
      this.counters.leasesLost++;
      this.#end(lease);
    }
  }

  release(name: NaiveName, token: number): boolean {
    const lease = this.leases.find((one) => isSame(one, name) && one.token === token);
    if (lease === undefined) return false;
    this.counters.leasesReleased++;
    this.#end(lease);
    return true;
  }

  endHolder(holder: number): void {
    for (const lease of this.leases.filter((one) => one.holder === holder)) {
      this.counters.leasesAbandoned++;
      this.#end(lease);
    }
  }

  cancel(id: number): void {
    this.#cancelled.add(id);
    for (const lease of this.leases) {
      this.#replace(lease, { ...lease, waiters: lease.waiters.filter((waiter) => waiter.id !== id) });
    }
  }

  deliver(): void {
    const message = this.mail.shift();
    if (message === undefined) return;
    const { to, ids, result } = message;
    for (const id of ids) {
      if (!this.#cancelled.has(id)) this.told.set(id, result);
      else if (result.kind === "granted") this.in(to).release(message, result.token);
    }
  }

  /** In the order of the deadlines. One result for those of one lease that come one after the other. */
  #endWaits(): void {
    const over = this.leases
      .flatMap((lease) => lease.waiters.map((waiter) => ({ lease, waiter })))
      .filter(({ waiter }) => waiter.deadlineMs <= this.nowMs)
      .sort((one, other) => one.waiter.deadlineMs - other.waiter.deadlineMs);
    let told: { readonly of: NaiveLease; readonly held: NaiveResult } | undefined;
    for (const { lease, waiter } of over) {
      if (told?.of !== lease) told = { of: lease, held: this.#held(lease, lease.expiresAtMs - this.nowMs) };
      this.counters.leasesHeld++;
      this.#tell(waiter, lease, told.held);
    }
    const isLeft = ({ deadlineMs }: NaiveWaiter): boolean => deadlineMs > this.nowMs;
    this.leases = this.leases.map((lease) => ({ ...lease, waiters: lease.waiters.filter(isLeft) }));
  }

  #end(lease: NaiveLease): void {
    this.leases = this.leases.filter((one) => one !== lease);
    const waiters = [...lease.waiters];
    for (let next = waiters.shift(); next !== undefined; next = waiters.shift()) {
      if (this.#countOf(next.holder) < this.#limits.leasesOfHolderMax) {
        this.#tell(next, lease, this.#grant(lease, next.leaseMs, next.holder, waiters));
        return;
      }
      this.#tell(next, lease, this.#refuse(lease, 100));
    }
  }

  #countOf(holder: number): number {
    return this.leases.filter((lease) => lease.holder === holder).length;
  }

  /** The oldest lease of a holder whose count reaches the highest power of two, beyond that of `count`. */
  #displaceBeyond(count: number): boolean {
    const powerOf = (leases: number): number => Math.floor(Math.log2(leases));
    const powers = new Map(this.leases.map(({ holder }) => [holder, powerOf(this.#countOf(holder))]));
    const highest = Math.max(...powers.values());
    if (highest <= powerOf(count)) return false;
    const largest = [...powers].filter(([, power]) => power === highest);
    if (largest.length > 1) throw new Error("the model does not know which of the largest holders pays");
    const displaced = this.leases.find(({ holder }) => holder === largest[0]?.[0]);
    if (displaced === undefined) return false;
    this.counters.leasesDisplaced++;
    const refusal = this.#held(displaced, 100);
    this.counters.leasesRefused += displaced.waiters.length;
    for (const waiter of displaced.waiters) this.#tell(waiter, displaced, refusal);
    this.leases = this.leases.filter((one) => one !== displaced);
    return true;
  }

  #grant(name: NaiveName, leaseMs: number, holder: number, waiters: readonly NaiveWaiter[]): NaiveResult {
    const { namespace, key } = name;
    const token = ++this.#tokens;
    const { revision } = this;
    this.leases.push({ namespace, key, token, revision, expiresAtMs: this.nowMs + leaseMs, holder, waiters });
    this.counters.leasesGranted++;
    return { kind: "granted", revision, token, leaseMs, stale: this.#staleOf(name) };
  }

  #refuse(name: NaiveName, retryAfterMs: number): NaiveResult {
    this.counters.leasesRefused++;
    return this.#held(name, retryAfterMs);
  }

  #held(name: NaiveName, leftMs: number): NaiveResult {
    const { revision } = this;
    return { kind: "held", revision, retryAfterMs: Math.max(1, leftMs), stale: this.#staleOf(name) };
  }

  #tell(waiter: NaiveWaiter, { namespace, key }: NaiveName, result: NaiveResult): void {
    const { thread: to, id } = waiter;
    const same = this.mail.find((message) => message.to === to && message.result === result);
    if (to === this.#thread) this.told.set(id, result);
    else if (same !== undefined) same.ids.push(id);
    else this.mail.push({ to, ids: [id], namespace, key, result });
  }

  #hasText(name: NaiveName): boolean {
    const all = [...this.leases, name];
    const texts = [...new Set(all.map(({ namespace }) => namespace)), ...all.map(({ key }) => key)];
    return texts.reduce((sum, text) => sum + blocksOf(text), 0) <= this.#limits.textBlocks;
  }

  #replace(lease: NaiveLease, by: NaiveLease): void {
    this.leases = this.leases.map((one) => (one === lease ? by : one));
  }
}

/** Of 64 bytes, with a link of 4 each and a length of 4 in the first. */
function blocksOf(text: string): number {
  return Math.ceil((4 + Buffer.byteLength(text)) / 60);
}

function isSame(one: NaiveName, other: NaiveName): boolean {
  return one.namespace === other.namespace && one.key === other.key;
}
