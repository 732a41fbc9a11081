/** The leases of a shard in one region, through the views of several threads that tell each other by message. */
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../../src/common/random.ts";
import type { EntryView, LeaseResult, LeaseWait, Stamp } from "../../../src/store/api/store.ts";
import type { StoreMessage } from "../../../src/store/api/threads.ts";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import { LeaseRecords } from "../../../src/store/leases/lease-records.ts";
import { LEASES_BYTES, Leases } from "../../../src/store/leases/leases.ts";
import type { LeaseLimits } from "../../../src/store/leases/waiter-records.ts";
import { CounterRow, countersBytes, totalsOf } from "../../../src/store/shm/counters.ts";
import { createRegion, type Region } from "../../../src/store/shm/region.ts";
import { NaiveLeases, type NaiveName, type NaiveResult } from "../../support/naive-leases.ts";

type Settled = Extract<StoreMessage, { kind: "settled" }>;

/** Its value is cut from something larger, as small values are. */
function viewOf(text: string): EntryView {
  const bytes = Buffer.from(text);
  const value = new Uint8Array(64 + bytes.length).subarray(64);
  value.set(bytes);
  return {
    value,
    version: 1,
    sourceVersion: 0n,
    ttlRemainingMs: 0,
    staleRemainingMs: 1,
    stale: true,
    ageMs: 4,
    absent: false,
    tags: ["t"],
    contentType: "",
    contentEncoding: "",
  };
}

/** Some keys have a stale entry. */
function staleOf({ key }: NaiveName): string | undefined {
  return key.length % 2 === 0 ? `stale ${key.length}` : undefined;
}

const limitsOf = (given: Partial<LeaseLimits>): LeaseLimits => ({
  leasesMax: 4,
  waitersMax: 4,
  leasesOfHolderMax: 1_000,
  leasesOfNamespaceMax: 1_000,
  ...given,
});

/** The views of `threads` threads, the mail between them, and the lock that each call is under. */
class Threads {
  readonly counters;
  readonly mail: { readonly to: number; readonly message: Settled }[] = [];
  nowMs = 1_000;
  readonly #views: readonly Leases[];
  readonly #records: LeaseRecords;
  /** How often it was taken. */
  locks = 0;
  #revision = 0;
  #isLocked = false;

  constructor(threads: number, given: Partial<LeaseLimits>, region?: Region) {
    const limits = limitsOf(given);
    const counts = createRegion(countersBytes(threads));
    const rng = createSeededRng(1);
    const shared = region ?? createRegion(LEASES_BYTES(limits));
    this.#records = new LeaseRecords(shared, limits, createFingerprint([1n, 2n]));
    const stamp = (): Stamp => ({ shard: 0, revision: this.#revision });
    const guard = {
      enter: (nowMs: number) => {
        this.#lock(false);
        return Math.max(nowMs, this.nowMs);
      },
      leave: () => this.#lock(true),
    };
    this.counters = totalsOf(counts, threads);
    this.#views = Array.from(
      { length: threads },
      (_, self) =>
        new Leases({
          region: shared,
          limits,
          shard: {
            stamp,
            staleView: (namespace, key, nowMs) => {
              expect([nowMs, this.#isLocked]).toEqual([this.nowMs, true]);
              const stale = staleOf({ namespace, key });
              return stale === undefined ? undefined : viewOf(stale);
            },
          },
          // One for each, as in each thread.
          fingerprintOf: createFingerprint([1n, 2n]),
          rng,
          counters: new CounterRow(counts, self),
          threads: { self, count: threads, send: (to, message) => this.#send(self, to, message) },
          guard,
        }),
    );
  }

  get counts(): readonly number[] {
    return this.#views.map((view) => view.count);
  }

  get nextDueMs(): number {
    return Math.min(this.#records.due.nextDueMs(), this.#records.waiters.due.nextDueMs());
  }

  get oldestRevisions(): readonly number[] {
    return this.#views.map((view) => view.oldestRevision());
  }

  /** A call in one of the threads. */
  in<Result>(thread: number, call: (leases: Leases, nowMs: number) => Result): Result {
    const leases = this.#view(thread);
    this.#lock(false);
    leases.endDue(this.nowMs);
    const result = call(leases, this.nowMs);
    this.#lock(true);
    expect(leases.deliver(this.nowMs)).toEqual([]);
    return result;
  }

  /** A call that changes something else in the shard, too. */
  bumpIn(thread: number, call: (leases: Leases, nowMs: number) => void): void {
    this.in(thread, (leases, nowMs) => {
      this.#revision++;
      call(leases, nowMs);
    });
  }

  ask(
    thread: number,
    name: NaiveName,
    { waitMs = 0, leaseMs = 5_000, holder = 0 } = {},
    settle?: (result: LeaseResult) => void,
  ): LeaseResult | LeaseWait {
    const told =
      settle &&
      ((result: LeaseResult): void => {
        expect(this.#isLocked, "is told under the lock").toBe(false);
        settle(result);
      });
    return this.in(thread, (leases, nowMs) => leases.ask({ ...name, waitMs, leaseMs, holder }, nowMs, told));
  }

  /** The token, where the key has no lease. */
  token(thread: number, name: NaiveName, leaseMs = 5_000, holder = 0): bigint {
    const result = this.ask(thread, name, { leaseMs, holder });
    if (result.kind !== "granted") throw new Error(`${result.kind}, not granted`);
    return result.token;
  }

  /** What the wait is told, when it is. */
  wait(thread: number, name: NaiveName, waitMs = 10_000): { results: LeaseResult[]; cancel: () => void } {
    const results: LeaseResult[] = [];
    const wait = this.ask(thread, name, { waitMs }, (result) => results.push(result));
    if (wait.kind !== "waiting") throw new Error(`${wait.kind}, not waiting`);
    return { results, cancel: () => wait.cancel() };
  }

  deliver(): void {
    const { to, message } = this.mail.shift() ?? {};
    if (to === undefined || message === undefined) return;
    this.#view(to).settled(message);
    // The time was read before the lock was had, and others were there first.
    expect(this.#view(to).deliver(this.nowMs - 5)).toEqual([]);
  }

  #view(thread: number): Leases {
    const view = this.#views[thread];
    if (view === undefined) throw new RangeError("no such thread");
    return view;
  }

  #lock(isLocked: boolean): void {
    expect(this.#isLocked, "the lock was held").toBe(isLocked);
    this.#isLocked = !isLocked;
    if (!isLocked) this.locks++;
  }

  #send(from: number, to: number, message: StoreMessage): void {
    if (message.kind !== "settled") throw new Error(`a message of leases: ${message.kind}`);
    expect([this.#isLocked, from === to]).toEqual([false, false]);
    const { result } = message;
    const value = (result.kind === "hit" ? result.entry : result.stale)?.value;
    expect(value?.buffer.byteLength, "sends no more than the value").toBe(value?.byteLength);
    this.mail.push({ to, message: structuredClone(message) });
  }
}

const a: NaiveName = { namespace: "n", key: "a" };
const largest = (key: string): NaiveName => ({ namespace: "n".repeat(256), key: key.padEnd(16_384, "x") });

describe("Leases of several threads", () => {
  it("are granted in one and held in the others", () => {
    const threads = new Threads(2, {});
    const token = threads.token(0, a, 100);
    expect(threads.ask(1, a)).toMatchObject({ kind: "held", retryAfterMs: 100 });
    expect(threads.in(1, (leases) => leases.issuedAtRevision("n", "a", token))).toBe(0);
    expect(threads.in(1, (leases) => leases.issuedAtRevision("n", "a", token + 1n))).toBeUndefined();
    expect(threads.in(1, (leases, nowMs) => leases.release("n", "a", token, nowMs))).toBe(true);
    expect(threads.ask(0, a).kind).toBe("granted");
  });

  it("promote the waiter of another thread by message", () => {
    const threads = new Threads(2, {});
    const token = threads.token(0, a);
    const waiting = threads.wait(1, a);
    threads.in(0, (leases, nowMs) => leases.release("n", "a", token, nowMs));
    expect(waiting.results).toEqual([]);
    threads.deliver();
    expect(waiting.results).toMatchObject([{ kind: "granted" }]);
  });

  it("share the value with the waiters of all threads, each with a copy of its own", () => {
    const threads = new Threads(3, {});
    const token = threads.token(0, a);
    const waiting = [threads.wait(2, a), threads.wait(1, a), threads.wait(2, a)];
    threads.in(1, (leases) => leases.fill("n", "a", token, () => viewOf("filled")));
    expect(waiting.map(({ results }) => results.length)).toEqual([0, 1, 0]);
    expect(threads.mail.length, "both in one message").toBe(1);
    threads.deliver();
    for (const index of [0, 2]) {
      const [result] = waiting[index]?.results ?? [];
      expect(result?.kind === "hit" && Buffer.from(result.entry.value).toString()).toBe("filled");
    }
    expect(threads.counters).toMatchObject({ leasesFilled: 1, leasesShared: 3 });
  });

  it("go to the next waiter when the one that another thread promoted has been cancelled", () => {
    const threads = new Threads(3, {});
    const token = threads.token(0, a);
    const [cancelled, next] = [threads.wait(1, a), threads.wait(2, a)];
    threads.in(0, (leases, nowMs) => leases.release("n", "a", token, nowMs));
    cancelled.cancel();
    expect(threads.mail).toMatchObject([{ to: 1, message: { result: { kind: "granted" } } }]);
    threads.deliver();
    expect(threads.mail).toMatchObject([{ to: 2, message: { result: { kind: "granted" } } }]);
    threads.deliver();
    expect(cancelled.results).toEqual([]);
    expect(next.results).toMatchObject([{ kind: "granted" }]);
    expect(threads.counters).toMatchObject({ leasesGranted: 3, leasesReleased: 2 });
  });

  it("stay with their holder when a late message concerns a former one", () => {
    const threads = new Threads(2, {});
    const token = threads.token(0, a);
    const cancelled = threads.wait(1, a);
    threads.in(0, (leases, nowMs) => leases.release("n", "a", token, nowMs));
    threads.in(0, (leases, nowMs) => leases.void("n", "a", nowMs));
    const later = threads.token(0, a);
    cancelled.cancel();
    threads.deliver();
    expect(threads.in(1, (leases) => leases.issuedAtRevision("n", "a", later))).toBeDefined();
  });

  it("cancel a wait once: what comes into its slot later stays", () => {
    const threads = new Threads(2, {});
    threads.token(0, a);
    const [first, second] = [threads.wait(0, a), threads.wait(0, a)];
    first.cancel();
    const third = threads.wait(1, a);
    first.cancel();
    second.cancel();
    threads.in(1, (leases, nowMs) => leases.void("n", "a", nowMs));
    expect(third.results).toMatchObject([{ kind: "granted" }]);
  });

  it("forget a wait when it is over: there is nothing left to cancel", () => {
    const threads = new Threads(2, {});
    threads.token(0, a);
    const waiting = [threads.wait(0, a), threads.wait(1, a)];
    threads.in(0, (leases) => leases.fill("n", "a", undefined, () => viewOf("filled")));
    threads.deliver();
    const { locks } = threads;
    for (const { results, cancel } of waiting) {
      expect(results).toMatchObject([{ kind: "hit" }]);
      cancel();
    }
    expect(threads.locks).toBe(locks);
  });

  it("have room for text to the last byte", () => {
    // Of 8 blocks the namespace takes one.
    for (const [keyBytes, expected] of [
      [7 * 60 - 4, "granted"],
      [7 * 60 - 4 + 1, "held"],
    ] as const) {
      const threads = new Threads(2, { leasesMax: 2, waitersMax: 4 });
      threads.token(0, largest("1"));
      expect(threads.ask(1, { namespace: "n", key: "k".repeat(keyBytes) }).kind).toBe(expected);
    }
  });

  it("find room for the largest key in an empty shard, and are refused when there is no room for a key", () => {
    const threads = new Threads(2, { leasesMax: 2, waitersMax: 4 });
    const token = threads.token(0, largest("1"));
    expect(threads.ask(1, largest("2"))).toMatchObject({ kind: "held", retryAfterMs: 100 });
    expect(threads.counters.leasesRefused).toBe(1);
    expect(threads.ask(1, a).kind).toBe("granted");
    const { namespace, key } = largest("1");
    threads.in(1, (leases, nowMs) => leases.release(namespace, key, token, nowMs));
    expect(threads.ask(1, largest("2")).kind).toBe("granted");
    threads.bumpIn(0, (leases, nowMs) => leases.voidPrefix(namespace, "2xx", nowMs));
    expect(threads.counts).toEqual([1, 1]);
  });

  it("have room for 65,536 waiters over all keys of a shard", () => {
    const threads = new Threads(2, { leasesMax: 2, waitersMax: 65_536 });
    const b = { namespace: "n", key: "b" };
    threads.token(0, a, 100);
    threads.token(0, b, 100);
    const waits = Array.from({ length: 65_535 }, (_, index) => threads.wait(index % 2, a));
    const last = threads.wait(0, b);
    expect(threads.ask(1, b, { waitMs: 10 }, () => {})).toMatchObject({ kind: "held", retryAfterMs: 100 });
    expect(threads.counters.leasesRefused).toBe(1);
    waits[7_001]?.cancel();
    expect(threads.ask(1, b, { waitMs: 10 }, () => {}).kind).toBe("waiting");
    threads.in(0, (leases) => leases.fill("n", "b", undefined, () => viewOf("v")));
    expect(last.results).toMatchObject([{ kind: "hit" }]);
  });

  it("are not to be had in a region that is too small", () => {
    const bytes = LEASES_BYTES(limitsOf({}));
    expect(() => new Threads(1, {}, createRegion(bytes - 64))).toThrow(RangeError);
    expect(() => new Threads(1, {}, createRegion(bytes))).not.toThrow();
  });
});

const threadCount = 3;
/** A millisecond of the commands: so many of the clock. */
const UNITS = 10_000;
const limits = { leasesMax: 4, waitersMax: 3, leasesOfHolderMax: 4, leasesOfNamespaceMax: 3 };
const keys = [
  "a",
  "ab",
  "abc",
  "b",
  "é",
  "é😀",
  "a".repeat(57),
  "a".repeat(112),
  `${"a".repeat(199)}bb`,
  "a".repeat(8_200),
];
const namespaces = fc.constantFrom<string[]>("n", "na", "m");
const names: fc.Arbitrary<NaiveName> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(a) },
  { weight: 2, arbitrary: fc.record({ namespace: namespaces, key: fc.constantFrom(...keys) }) },
);
const thread = fc.nat(threadCount - 1);
const pick = fc.nat(1_000);

const commands = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      thread,
      name: names,
      waitMs: fc.constantFrom(0, 5, 20, 50, 50),
      leaseMs: fc.constantFrom(5_000, 10, 30),
      // Most are of one: then never two of them are the largest.
      holder: fc.constantFrom(1, 1, 1, 2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fill" as const), thread, name: names, pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("void" as const), thread, name: names }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("voidPrefix" as const),
      thread,
      namespace: namespaces,
      prefix: fc.constantFrom("", "a", "ab", "é", "a".repeat(58), "a".repeat(200)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("release" as const), thread, pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("endHolder" as const), thread, holder: fc.constantFrom(1, 2) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), pick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      thread,
      byMs: fc.nat(25),
      // Time passes before anybody does anything about it.
      isNoticed: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("deliver" as const) }) },
);
type Command = typeof commands extends fc.Arbitrary<infer One> ? One : never;

class ModelRun {
  readonly #real = new Threads(threadCount, limits);
  readonly #naive = new NaiveLeases(
    { ...limits, waitersOfShardMax: limits.leasesMax * limits.waitersMax, textBlocks: 4 * 4 + 5 + 274 },
    staleOf,
  );
  readonly #tokens: { readonly name: NaiveName; readonly real: bigint; readonly naive: number }[] = [];
  readonly #waits: {
    readonly id: number;
    readonly name: NaiveName;
    readonly holder: number;
    readonly wait: LeaseWait;
  }[] = [];
  /** By holder: how often it has ended. Then it is another one. */
  readonly #lives = new Map<number, number>();
  readonly #told = new Map<number, LeaseResult>();
  readonly #seen: Map<string, number>;
  #asked = 0;

  constructor(seen: Map<string, number>) {
    this.#seen = seen;
  }

  do(command: Command): void {
    const real = this.#real;
    const naive = this.#naive;
    switch (command.do) {
      case "ask": {
        const { name, holder } = command;
        const id = this.#asked++;
        // No two ends are in the same moment, so their order is known.
        const waitMs = command.waitMs && command.waitMs * UNITS + 2 * id;
        const leaseMs = command.leaseMs * UNITS + 2 * id + 1;
        const result = real.ask(
          command.thread,
          name,
          { waitMs, leaseMs, holder: this.#idOf(holder) },
          (told) => {
            expect(this.#told.has(id), "is told twice").toBe(false);
            this.#told.set(id, told);
          },
        );
        const expected = naive.in(command.thread).ask(name, waitMs, leaseMs, id, this.#idOf(holder));
        if (result.kind === "waiting") {
          this.#waits.push({ id, name, holder: this.#idOf(holder), wait: result });
          expect(expected.kind).toBe("waiting");
        } else this.#same(name, result, expected);
        this.#saw(result.kind);
        break;
      }
      case "fill": {
        const { name } = command;
        const token = this.#tokens.filter(({ name: one }) => isDeepStrictEqual(one, name)).at(-1);
        const given = command.pick % 3 === 0 ? undefined : token;
        real.bumpIn(command.thread, (leases) => {
          leases.fill(name.namespace, name.key, given?.real, () => viewOf("filled"));
        });
        naive.in(command.thread).fill(name, given?.naive);
        break;
      }
      case "void": {
        const { namespace, key } = command.name;
        real.bumpIn(command.thread, (leases, nowMs) => leases.void(namespace, key, nowMs));
        naive.in(command.thread).void((one) => one.namespace === namespace && one.key === key);
        break;
      }
      case "voidPrefix": {
        const { namespace, prefix } = command;
        real.bumpIn(command.thread, (leases, nowMs) => leases.voidPrefix(namespace, prefix, nowMs));
        naive.in(command.thread).void((one) => one.namespace === namespace && one.key.startsWith(prefix));
        break;
      }
      case "release": {
        const token = this.#tokens.at(-1 - (command.pick % Math.min(8, this.#tokens.length)));
        if (token === undefined) break;
        const { namespace, key } = token.name;
        const released = real.in(command.thread, (leases, nowMs) =>
          leases.release(namespace, key, token.real, nowMs),
        );
        expect(released).toBe(naive.in(command.thread).release(token.name, token.naive));
        this.#saw(`released ${released}`);
        break;
      }
      case "endHolder": {
        const id = this.#idOf(command.holder);
        // Its waits are cancelled before.
        for (const { id: wait, holder, wait: waiting } of this.#waits) {
          if (holder !== id || waiting.kind !== "waiting") continue;
          waiting.cancel();
          naive.cancel(wait);
        }
        real.in(command.thread, (leases, nowMs) => leases.endHolder(id, nowMs));
        naive.in(command.thread).endHolder(id);
        this.#lives.set(command.holder, (this.#lives.get(command.holder) ?? 0) + 1);
        break;
      }
      case "cancel": {
        // Mostly one that has been promoted in another thread, and does not know it yet.
        const sent = naive.mail.find(({ result }) => result.kind === "granted");
        const recent = this.#waits.at(-1 - (command.pick % Math.min(8, this.#waits.length)));
        const cancelled = this.#waits.find(({ id }) => sent?.ids.includes(id)) ?? recent;
        if (cancelled?.wait.kind !== "waiting") break;
        if (cancelled !== recent) this.#saw("cancelled on its way");
        cancelled.wait.cancel();
        naive.cancel(cancelled.id);
        break;
      }
      case "advance":
        real.nowMs += command.byMs * UNITS;
        naive.nowMs += command.byMs * UNITS;
        if (!command.isNoticed) break;
        real.in(command.thread, () => {});
        naive.in(command.thread);
        expect(real.nextDueMs > real.nowMs, "nothing is due twice").toBe(true);
        break;
      case "deliver":
        real.deliver();
        naive.deliver();
        break;
      default:
        command satisfies never;
    }
    this.#compare();
  }

  /** When all is over, everything is free again. */
  finish(): void {
    for (let turn = 0; turn < 20; turn++) {
      this.do({ do: "advance", thread: turn % threadCount, byMs: 5_000, isNoticed: true });
      while (this.#real.mail.length > 0) this.do({ do: "deliver" });
    }
    expect(this.#real.counts).toEqual([0, 0, 0]);
    for (const key of ["a", "b", "c", "d"]) {
      const name = { namespace: "n".repeat(64), key };
      this.do({ do: "ask", thread: 0, name, waitMs: 0, leaseMs: 10, holder: 1 });
      for (let one = 0; one < 4; one++) {
        this.do({ do: "ask", thread: one % threadCount, name, waitMs: 5, leaseMs: 10, holder: 1 });
      }
    }
    this.do({ do: "voidPrefix", thread: 0, namespace: "n", prefix: "" });
  }

  #compare(): void {
    expect([...this.#told.keys()].sort(byNumber)).toEqual([...this.#naive.told.keys()].sort(byNumber));
    for (const [id, result] of this.#told) {
      const name = this.#waits.find((wait) => wait.id === id)?.name;
      const expected = this.#naive.told.get(id);
      if (name === undefined || expected === undefined) throw new Error("told without a wait");
      this.#same(name, result, expected);
      this.#saw(`told ${result.kind}`);
    }
    this.#told.clear();
    this.#naive.told.clear();
    const { leases, mail, counters } = this.#naive;
    const count = leases.length;
    const oldest = leases[0]?.revision ?? Infinity;
    expect(this.#real.counts).toEqual(Array.from({ length: threadCount }, () => count));
    expect(this.#real.oldestRevisions).toEqual(Array.from({ length: threadCount }, () => oldest));
    expect(
      this.#real.mail.map(({ to, message: { result, waits } }) => [to, result.kind, waits.length]),
    ).toEqual(mail.map(({ to, result, ids }) => [to, result.kind, ids.length]));
    expect(this.#real.counters).toMatchObject(counters);
    if (counters.leasesRefused > 0) this.#saw("refused");
    if (counters.leasesDisplaced > 0) this.#saw("displaced");
    if (counters.leasesAbandoned > 0) this.#saw("abandoned");
  }

  #idOf(holder: number): number {
    return holder + 10 * (this.#lives.get(holder) ?? 0);
  }

  /** The same but for the token, which is noted. */
  #same(name: NaiveName, real: LeaseResult, naive: NaiveResult): void {
    const { revision } = real.asOf;
    if (real.kind === "hit") {
      expect({ kind: "hit", revision }).toEqual(naive);
      return;
    }
    const stale = real.stale && Buffer.from(real.stale.value).toString();
    if (real.kind === "held") {
      expect({ kind: "held", revision, retryAfterMs: real.retryAfterMs, stale }).toEqual(naive);
      return;
    }
    if (naive.kind !== "granted") throw new Error(`granted, not ${naive.kind}`);
    const { token } = naive;
    expect({ kind: "granted", revision, token, leaseMs: real.leaseMs, stale }).toEqual(naive);
    this.#tokens.push({ name, real: real.token, naive: token });
  }

  #saw(outcome: string): void {
    this.#seen.set(outcome, (this.#seen.get(outcome) ?? 0) + 1);
  }
}

const byNumber = (left: number, right: number): number => left - right;

describe("Leases", () => {
  it("do in three threads what naive ones do", { timeout: 300_000 }, () => {
    const runs = 150;
    const seen = new Map<string, number>();
    const scenario = fc.property(fc.array(commands, { maxLength: 120, size: "max" }), (list) => {
      const run = new ModelRun(seen);
      for (const command of list) run.do(command);
      run.finish();
    });
    const seed = process.env.FC_SEED;
    fc.assert(scenario, { numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed) }) });
    const outcomes = [
      ...["granted", "held", "waiting", "released true", "released false", "refused", "cancelled on its way"],
      ...["told granted", "told held", "told hit", "displaced", "abandoned"],
    ];
    for (const outcome of outcomes) expect(seen.get(outcome) ?? 0, outcome).toBeGreaterThan(runs / 10);
  });
});
