/**
 * The leases of this server's callers. Between servers a lease is a race that the engine decides. Within one, callers that wait for the
 * lease of a key wait in their order, and one of them asks for all.
 */
import type { Clock } from "../common/clock.ts";
import { CacheError } from "../common/errors.ts";
import type { Rng } from "../common/random.ts";
import type { Pending, ReleaseResult, Settle } from "../store/api/backend.ts";
import type { LeaseCommand, LeaseResult, StoreEvent } from "../store/api/store.ts";
import type { TierCounters } from "./counters.ts";
import type { LeaseHolders } from "./lease-holders.ts";
import { leaseOperation, releaseOperation } from "./library/operations.ts";
import type { TierRecord } from "./library/records.ts";
import { readLease, readRelease } from "./library/results.ts";

/** Callers that wait, of all keys. */
const WAITERS_MAX = 65_536;
/** Asks again after this at the latest, should nothing have told that the lease has ended. */
const ASK_MAX_MS = 1_000;

interface Waiter {
  readonly command: LeaseCommand;
  /** How many asks of its queue had begun before it came. Only later ones answer it: they know all that was acknowledged before. */
  readonly cameAfter: number;
  readonly untilMs: number;
  readonly settle: Settle<LeaseResult>;
  readonly traceparent: string;
}

interface Queue {
  readonly namespace: string;
  readonly key: string;
  readonly waiters: Waiter[];
  /** How many asks have begun. */
  asks: number;
  /** An ask is out. `again`: something has happened since. */
  isAsking: boolean;
  again: boolean;
  askAtMs: number;
  /** The answer for waiters whose time is over. */
  lastHeld: Held | undefined;
}

interface Held {
  /** Of the store, when this was answered. */
  readonly epoch: bigint;
  /** Which ask of the queue it answers. */
  readonly ask: number;
  readonly result: LeaseResult & { kind: "held" };
}

/** Runs one operation of the shard of a key. */
export type RunKeyed = <Result>(
  on: { readonly namespace: string; readonly key: string },
  bytes: Buffer,
  read: (bytes: Buffer, context: { readonly shard: number; readonly nowMs: number }) => Result,
  settle: Settle<Result>,
  traceparent?: string,
) => Pending;

export interface LeaseDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly run: RunKeyed;
  readonly holders: LeaseHolders;
  readonly counters: TierCounters;
  /** Of the store. */
  epoch(): bigint;
}

export class Leases {
  readonly #deps: LeaseDeps;
  /** By namespace, then by key. */
  readonly #queues = new Map<string, Map<string, Queue>>();
  #waiting = 0;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
  }

  get waiting(): number {
    return this.#waiting;
  }

  ask(command: LeaseCommand, settle: Settle<LeaseResult>, traceparent: string): Pending {
    if (command.waitMs === 0 || this.#waiting >= WAITERS_MAX) {
      if (command.waitMs > 0) this.#deps.counters.count("leasesRefused");
      return this.#askOnce(command, settle, traceparent);
    }
    const queue = this.#queueOf(command);
    const untilMs = this.#deps.clock.nowMs() + command.waitMs;
    const waiter: Waiter = { command, cameAfter: queue.asks, settle, traceparent, untilMs };
    queue.waiters.push(waiter);
    this.#waiting += 1;
    try {
      if (queue.waiters.length === 1 && !queue.isAsking) this.#askFor(queue);
    } catch (error) {
      this.#remove(queue, waiter);
      this.#drop(queue);
      throw error;
    }
    return {
      cancel: () => {
        if (this.#remove(queue, waiter)) this.#drop(queue);
      },
    };
  }

  release(namespace: string, key: string, token: bigint, settle: Settle<ReleaseResult>): Pending {
    const bytes = releaseOperation({ namespace, key }, token);
    return this.#deps.run({ namespace, key }, bytes, readRelease, (result) => {
      if (!(result instanceof Error)) {
        this.#deps.holders.forget(token);
        if (result.released) this.#deps.counters.count("leasesReleased");
      }
      settle(result);
    });
  }

  /** Gives back what a holder has, now that it has ended. */
  abandon(
    leases: readonly { readonly namespace: string; readonly key: string; readonly token: bigint }[],
  ): void {
    for (const { namespace, key, token } of leases) {
      this.#deps.counters.count("leasesAbandoned");
      this.#giveBack({ namespace, key }, token);
    }
  }

  recorded(record: TierRecord): void {
    if (this.#queues.size === 0 || record.kind === "claimed") return;
    if (record.kind === "leaseEnded") {
      const queues = this.#queues.get(record.namespace);
      for (const key of queues === undefined ? [] : record.keys) this.#changed(queues?.get(key));
      return;
    }
    for (const event of record.events) this.#covered(event);
  }

  /** Answers those whose time is over, and asks for those that nobody has woken. */
  expire(nowMs: number): void {
    if (this.#waiting === 0) return;
    for (const queues of [...this.#queues.values()]) {
      for (const queue of [...queues.values()]) {
        this.#endDue(queue, nowMs);
        if (queue.isAsking || queue.waiters.length === 0) continue;
        if (queue.again || queue.askAtMs <= nowMs) this.#askAgain(queue);
      }
    }
  }

  #covered({ namespace, target, name, kind }: StoreEvent): void {
    const queues = this.#queues.get(namespace);
    if (queues === undefined || kind === "touched" || target === "tag") return;
    if (target === "key") this.#changed(queues.get(name));
    else for (const queue of [...queues.values()]) if (queue.key.startsWith(name)) this.#changed(queue);
  }

  #changed(queue: Queue | undefined): void {
    if (queue === undefined) return;
    if (queue.isAsking) queue.again = true;
    else this.#askAgain(queue);
  }

  #askOnce(command: LeaseCommand, settle: Settle<LeaseResult>, traceparent: string): Pending {
    const { rng, run } = this.#deps;
    const token = rng.uint64();
    let isCancelled = false;
    run(
      command,
      leaseOperation(command, token),
      (bytes, context) => readLease(bytes, context, token),
      (result) => {
        if (isCancelled) {
          if (!(result instanceof Error) && result.kind === "granted") this.#giveBack(command, token);
          return;
        }
        this.#count(result);
        this.#took(command, result);
        settle(result);
      },
      traceparent,
    );
    return {
      cancel() {
        isCancelled = true;
      },
    };
  }

  /** Where it cannot be asked, all that wait are told why. */
  #askAgain(queue: Queue): void {
    try {
      this.#askFor(queue);
    } catch (error) {
      const failure =
        error instanceof Error ? error : new Error("a lease cannot be asked for", { cause: error });
      this.#settleAll(queue, failure, queue.asks + 1);
      this.#drop(queue);
    }
  }

  /** Asks with the command of the one that waits longest. Throws what the store throws that takes no more. */
  #askFor(queue: Queue): void {
    const [first] = queue.waiters;
    if (first === undefined) return;
    const { command } = first;
    const { rng, run, clock } = this.#deps;
    const token = rng.uint64();
    const ask = queue.asks + 1;
    run(
      command,
      leaseOperation(command, token),
      (bytes, context) => readLease(bytes, context, token),
      (result) => {
        queue.isAsking = false;
        this.#answered(queue, first, ask, result);
        this.#endDue(queue, clock.nowMs());
        if (queue.again && !queue.isAsking && queue.waiters.length > 0) this.#askAgain(queue);
        this.#drop(queue);
      },
      first.traceparent,
    );
    queue.isAsking = true;
    queue.again = false;
    queue.asks = ask;
  }

  #answered(queue: Queue, first: Waiter, ask: number, result: LeaseResult | Error): void {
    const { clock, counters } = this.#deps;
    const epoch = this.#deps.epoch();
    if (result instanceof Error || result.kind === "hit") {
      this.#settleAll(queue, result, ask);
      queue.again = true;
      return;
    }
    if (result.kind === "held") {
      queue.lastHeld = { epoch, ask, result };
      queue.askAtMs = clock.nowMs() + Math.min(ASK_MAX_MS, result.retryAfterMs + 1);
      return;
    }
    queue.askAtMs = clock.nowMs() + Math.min(ASK_MAX_MS, result.leaseMs + 1);
    if (!this.#remove(queue, first)) {
      this.#giveBack(first.command, result.token);
      queue.again = true;
      return;
    }
    counters.count("leasesGranted");
    this.#took(first.command, result);
    const { asOf, leaseMs, stale } = result;
    queue.lastHeld = { epoch, ask, result: { kind: "held", asOf, retryAfterMs: leaseMs, stale } };
    first.settle(result);
  }

  /** Those who came before the ask began. */
  #settleAll(queue: Queue, result: LeaseResult | Error, ask: number): void {
    for (const waiter of queue.waiters.filter(({ cameAfter }) => cameAfter < ask)) {
      if (!this.#remove(queue, waiter)) continue;
      if (!(result instanceof Error)) this.#deps.counters.count("leasesShared");
      waiter.settle(result);
    }
  }

  /** Who has no answer to an ask since it came waits for another one. */
  #endDue(queue: Queue, nowMs: number): void {
    const due = queue.waiters.filter(({ untilMs }) => untilMs <= nowMs);
    const held = queue.lastHeld?.epoch === this.#deps.epoch() ? queue.lastHeld : undefined;
    for (const waiter of due) {
      if (held === undefined || held.ask <= waiter.cameAfter) {
        const isAsked = queue.isAsking && waiter.cameAfter < queue.asks;
        if (!isAsked) queue.again = true;
        continue;
      }
      if (!this.#remove(queue, waiter)) continue;
      this.#deps.counters.count("leasesHeld");
      waiter.settle({ ...held.result, retryAfterMs: Math.max(1, queue.askAtMs - nowMs) });
    }
    this.#drop(queue);
  }

  #took(command: LeaseCommand, result: LeaseResult | Error): void {
    if (result instanceof Error || result.kind !== "granted") return;
    const { namespace, key, holder = 0 } = command;
    const untilMs = this.#deps.clock.nowMs() + result.leaseMs;
    const isOver = !this.#deps.holders.took(holder, { namespace, key, token: result.token, untilMs });
    if (isOver) this.#giveBack(command, result.token);
  }

  /** Where the store takes no more the lease ends by time. */
  #giveBack({ namespace, key }: Pick<LeaseCommand, "namespace" | "key">, token: bigint): void {
    try {
      this.#deps.run({ namespace, key }, releaseOperation({ namespace, key }, token), readRelease, () => {});
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
    }
  }

  #count(result: LeaseResult | Error): void {
    if (result instanceof Error) return;
    if (result.kind === "granted") this.#deps.counters.count("leasesGranted");
    else if (result.kind === "held") this.#deps.counters.count("leasesHeld");
  }

  #queueOf({ namespace, key }: LeaseCommand): Queue {
    let queues = this.#queues.get(namespace);
    if (queues === undefined) {
      queues = new Map();
      this.#queues.set(namespace, queues);
    }
    let queue = queues.get(key);
    if (queue === undefined) {
      queue = {
        namespace,
        key,
        waiters: [],
        asks: 0,
        isAsking: false,
        again: false,
        askAtMs: 0,
        lastHeld: undefined,
      };
      queues.set(key, queue);
    }
    return queue;
  }

  #remove(queue: Queue, waiter: Waiter): boolean {
    const index = queue.waiters.indexOf(waiter);
    if (index < 0) return false;
    queue.waiters.splice(index, 1);
    this.#waiting -= 1;
    return true;
  }

  /** Forgets a queue in which nobody waits. */
  #drop(queue: Queue): void {
    const { namespace, key, waiters, isAsking } = queue;
    const queues = this.#queues.get(namespace);
    if (waiters.length > 0 || isAsking || queues?.get(key) !== queue) return;
    queues.delete(key);
    if (queues.size === 0) this.#queues.delete(namespace);
  }
}
