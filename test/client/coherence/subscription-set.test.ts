import { describe, expect, it } from "vitest";
import { ASSUMED_LIMITS } from "../../../src/client/api/server-limits.ts";
import { type LocalSubscription, SubscriptionSet } from "../../../src/client/coherence/subscription-set.ts";

const subscriptionTo = (namespace: string, ...prefixes: string[]): LocalSubscription => ({
  namespace,
  prefixes,
  live() {},
  lost() {},
  refused() {},
});

function selectorsOf(...subscriptions: LocalSubscription[]): Record<string, string[]> {
  const set = new SubscriptionSet();
  for (const subscription of subscriptions) set.add(subscription, 64);
  return Object.fromEntries(
    set.plan(ASSUMED_LIMITS, 0).selectors.map(({ namespace, prefixes }) => [namespace, prefixes]),
  );
}

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

  it("refuses more namespaces than the server takes, and then does not keep the last one", () => {
    const set = new SubscriptionSet();
    for (let index = 0; index < 64; index += 1) set.add(subscriptionTo(`${index}`), 64);
    expect(() => set.add(subscriptionTo("more"), 64)).toThrow("64");
    expect(set.all().length).toBe(64);
    set.add(subscriptionTo("0", "x"), 64);
    expect(set.all().length).toBe(65);
  });
});
