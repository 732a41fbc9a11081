import { describe, expect, it } from "vitest";
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";
import { ASSUMED_LIMITS, type ServerLimits } from "../../../src/client/api/server-limits.ts";
import { type LocalSubscription, SubscriptionSet } from "../../../src/client/coherence/subscription-set.ts";
import { createSeededRng } from "../../../src/common/random.ts";

const LIMITS: ServerLimits = { ...ASSUMED_LIMITS, namespacePrefixes: true };

const subscriptionTo = (namespace: string, ...prefixes: string[]): LocalSubscription => ({
  namespace,
  prefixes,
  uncovered() {},
  refused() {},
  live() {},
});

function setOf(subscriptions: Iterable<LocalSubscription>, limits = LIMITS): SubscriptionSet {
  const set = new SubscriptionSet();
  for (const subscription of subscriptions) set.add(subscription, limits);
  return set;
}

function selectorsOf(...subscriptions: LocalSubscription[]): Record<string, string[]> {
  const { selectors } = setOf(subscriptions).plan(LIMITS, 0);
  return Object.fromEntries(selectors.map(({ namespace, prefixes }) => [namespace, prefixes]));
}

const tenants = (count: number, name = (at: number) => `tenant-${at}`) =>
  Array.from({ length: count }, (_, at) => subscriptionTo(name(at)));
const isWide = ({ namespaceIsPrefix }: Selector) => namespaceIsPrefix;

describe("SubscriptionSet", () => {
  it("has one selector for each namespace, with the prefixes of all its subscriptions", () => {
    expect(
      selectorsOf(subscriptionTo("a", "y"), subscriptionTo("b", "z"), subscriptionTo("a", "x", "y")),
    ).toEqual({ a: ["x", "y"], b: ["z"] });
  });

  it("selects the whole namespace when one subscription wants it", () => {
    expect(selectorsOf(subscriptionTo("a", "x"), subscriptionTo("a"))).toEqual({ a: [] });
  });

  it("selects whole namespaces when there are more prefixes than the server takes", () => {
    const many = Array.from({ length: 40 }, (_, index) => `${index}`.padStart(2, "0"));
    const selectors = selectorsOf(
      subscriptionTo("a", ...many),
      subscriptionTo("b", ...many),
      subscriptionTo("c", "x"),
    );
    expect(selectors).toEqual({ a: many, b: [], c: ["x"] });
  });

  it("refuses a subscriber of more namespaces than a server takes that knows no prefixes of them", () => {
    const set = setOf(tenants(64), ASSUMED_LIMITS);
    expect(() => set.add(subscriptionTo("more"), ASSUMED_LIMITS)).toThrow("64");
    expect([...set.all()].length).toBe(64);
    set.add(subscriptionTo("tenant-0", "x"), ASSUMED_LIMITS);
    expect([...set.all()].length).toBe(65);
  });

  it("leaves the newest near caches out that such a server does not take", () => {
    const { live: _, ...near } = subscriptionTo("more");
    const { selectors, leftOut } = setOf([...tenants(64), near], ASSUMED_LIMITS).plan(ASSUMED_LIMITS, 0);
    expect(selectors.length).toBe(64);
    expect(leftOut.map(({ subscription }) => subscription)).toEqual([near]);
  });
});

describe("C9: more namespaces than a server takes selectors", () => {
  it.each<[string, LocalSubscription[]]>([
    ["numbered", tenants(10_000)],
    ["unlike each other", tenants(10_000, (at) => `${createSeededRng(at).uint64().toString(36)}-${at}`)],
    ["prefixes of each other", tenants(100, (at) => "a".repeat(at + 1))],
    ["with prefixes of keys", tenants(200).map(({ namespace }) => subscriptionTo(namespace, "user:"))],
  ])("are covered by few wider selectors, and by as few bytes as there is room for: %s", (_name, wanted) => {
    for (const limits of [
      LIMITS,
      { ...LIMITS, subscriptionMaxSelectors: 1 },
      { ...LIMITS, receiveMaxBytes: 1_024 },
    ]) {
      const { selectors, cover, leftOut, sizeBytes } = setOf(wanted, limits).plan(limits, 0);
      expect(selectors.length).toBeLessThanOrEqual(limits.subscriptionMaxSelectors);
      expect(sizeBytes).toBeLessThan(limits.receiveMaxBytes);
      expect(leftOut).toEqual([]);
      expect(wanted.filter((one) => !cover.covers(one))).toEqual([]);
    }
  });

  it("leave alone the names that have nothing in common with the others", () => {
    const set = setOf([subscriptionTo("users"), ...tenants(1_000), subscriptionTo("orders")]);
    const { selectors, cover } = set.plan(LIMITS, 0);
    const exact = selectors.filter((selector) => !isWide(selector)).map(({ namespace }) => namespace);
    expect(exact).toEqual(expect.arrayContaining(["orders", "users"]));
    expect(selectors.filter(isWide).every(({ namespace }) => namespace.startsWith("tenant-"))).toBe(true);
    expect(cover.covers({ namespace: "others", prefixes: [] })).toBe(false);
  });

  it("keep their selectors when one comes that they cover, and when one goes", () => {
    const wanted = tenants(1_000);
    const set = setOf(wanted);
    const plan = set.plan(LIMITS, 0);
    set.add(subscriptionTo("tenant-1234"), LIMITS);
    expect(set.plan(LIMITS, 0)).toBe(plan);
    expect(set.plan(LIMITS, 100)).toBe(plan);
    const [first] = wanted;
    if (first !== undefined) set.delete(first);
    expect(set.plan(LIMITS, 0)).toBe(plan);
  });

  it("get one more selector for one that they do not cover, as long as there is one", () => {
    const set = setOf(tenants(1_000));
    const { selectors } = set.plan(LIMITS, 0);
    set.add(subscriptionTo("users"), LIMITS);
    expect(set.plan(LIMITS, 0).selectors).toEqual([
      ...selectors,
      expect.objectContaining({ namespace: "users" }),
    ]);
    for (let at = 0; at < 100; at += 1) set.add(subscriptionTo(`${at}`), LIMITS);
    const again = set.plan(LIMITS, 0);
    expect(again.selectors.length).toBeLessThanOrEqual(64);
    expect([...set.all()].every((one) => again.cover.covers(one))).toBe(true);
  });

  it("get narrow selectors again when few are left", () => {
    const wanted = tenants(1_000);
    const set = setOf(wanted);
    expect(set.plan(LIMITS, 0).selectors.some(isWide)).toBe(true);
    for (const one of wanted.slice(10)) {
      set.delete(one);
      const { cover } = set.plan(LIMITS, 0);
      if (![...set.all()].every((other) => cover.covers(other))) throw new Error("not covered");
    }
    expect(set.plan(LIMITS, 0).selectors.map(({ namespace }) => namespace)).toEqual(
      wanted.slice(0, 10).map(({ namespace }) => namespace),
    );
  });
});
