import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import type { InvalidateTarget, LeaseResult, SetCommand, Store } from "../../src/store/api/store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { createStoreViews } from "../support/store-views.ts";
import { createHistory } from "./history.ts";
import { createTap } from "./tapped-store.ts";
import { createTruth } from "./truth.ts";

const namespace = "n";
const key = "k";
const writer = { origin: "", traceparent: "" };
const LEASE_MS = 100;

/** `wrong`: what the judged store does otherwise than the real one. */
function start(wrong: (store: Store) => Partial<Store> = () => ({})) {
  const clock = new ManualClock();
  const history = createHistory(() => clock.nowMs());
  const real = createStoreViews({ engine: "offheap", shards: 2, clock, rng: createSeededRng(1) }, 2, 1);
  const tap = createTap(history, createTruth([key]));
  const store = tap.around({ ...real, ...wrong(real) }, () => clock.nowMs());
  /** The token of a lease that is granted, at once or later. */
  const ask = (waitMs: number): (() => bigint) => {
    let answer: LeaseResult | undefined;
    const result = store.lease({ namespace, key, waitMs, leaseMs: LEASE_MS }, (settled) => {
      answer = settled;
    });
    return () => {
      const granted = result.kind === "waiting" ? answer : result;
      if (granted?.kind !== "granted") throw new Error("the lease was not granted");
      return granted.token;
    };
  };
  const invalidate = (target: InvalidateTarget) =>
    store.invalidate({ namespace, target, soft: false, sourceVersion: 0n, writer });
  const set = (value: string, condition: SetCommand["condition"]) =>
    store.set({
      namespace,
      key,
      value: Buffer.from(value),
      ttlMs: 0,
      staleMs: 0,
      tags: ["t"],
      contentType: "",
      contentEncoding: "",
      absent: false,
      sourceVersion: 0n,
      condition,
      requestId: 0n,
      writer,
    });
  const fill = (token: bigint) => {
    const result = set("loaded", { kind: "lease", token });
    return result.kind === "stored" ? result.kind : result.reason;
  };
  const checks = (): readonly string[] => history.violations.map(({ check }) => check);
  return { clock, store, ask, invalidate, set, fill, checks };
}

const losesEveryLease = (store: Store): Partial<Store> => ({
  set: () => {
    const [asOf = { shard: 0, revision: 0 }] = store
      .shards()
      .map(({ revision }, shard) => ({ shard, revision }));
    return { kind: "notStored", asOf, reason: "leaseLost" };
  },
});

const storesWithoutLease = (store: Store): Partial<Store> => ({
  set: (command) => store.set({ ...command, condition: { kind: "always" } }),
});

const targets: readonly InvalidateTarget[] = [
  { kind: "keys", keys: [key] },
  { kind: "tags", tags: ["t"] },
  { kind: "prefix", prefix: key },
  { kind: "all" },
];

describe.each(targets)("an invalidation of $kind that first ends a lease whose time is over", (target) => {
  it("may void the lease that the waiter got from that", () => {
    const { clock, ask, invalidate, fill, checks } = start();
    ask(0);
    const waiter = ask(2 * LEASE_MS);
    clock.advance(LEASE_MS);
    invalidate(target);
    expect(fill(waiter())).toBe("leaseLost");
    expect(checks()).toEqual([]);
  });

  it("must not be followed by a fill with that lease", () => {
    const { clock, ask, invalidate, fill, checks } = start(storesWithoutLease);
    ask(0);
    const waiter = ask(2 * LEASE_MS);
    clock.advance(LEASE_MS);
    invalidate(target);
    fill(waiter());
    expect(checks()).toContain("late-fill");
  });
});

describe.each(targets.filter(({ kind }) => kind !== "tags"))(
  "an invalidation of $kind that ends a lease itself",
  (target) => {
    it("leaves the waiter the lease that it got from that", () => {
      const { ask, invalidate, fill, checks } = start();
      ask(0);
      const waiter = ask(LEASE_MS);
      invalidate(target);
      expect(fill(waiter())).toBe("stored");
      expect(checks()).toEqual([]);
    });

    it("is no reason to lose that lease", () => {
      const { ask, invalidate, fill, checks } = start(losesEveryLease);
      ask(0);
      const waiter = ask(LEASE_MS);
      invalidate(target);
      fill(waiter());
      expect(checks()).toEqual(["lease-lost"]);
    });
  },
);

describe("a Set that first ends a lease whose time is over", () => {
  it("may end the lease that the waiter got from that", () => {
    const { clock, ask, set, fill, checks } = start();
    ask(0);
    const waiter = ask(2 * LEASE_MS);
    clock.advance(LEASE_MS);
    expect(set("new", { kind: "always" }).kind).toBe("stored");
    expect(fill(waiter())).toBe("leaseLost");
    expect(checks()).toEqual([]);
  });
});

describe("a lease that nothing has ended", () => {
  it("must not be lost", () => {
    const { ask, fill, checks } = start(losesEveryLease);
    fill(ask(0)());
    expect(checks()).toEqual(["lease-lost"]);
  });
});
