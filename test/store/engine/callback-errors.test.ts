/** Callbacks that throw: everybody else is called all the same, the call's effect stands, and the errors come out once. */
import { describe, expect, it } from "vitest";
import type { InvalidateTarget } from "../../../src/store/api/store.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { StoreDriver } from "../../support/store-driver.ts";

const noCursor = new Uint8Array();

/** A store whose callbacks write down that they were called, and throw if told to. */
function start(shards = 1) {
  const driver = new StoreDriver(createStore, { shards });
  const { store } = driver;
  const called: string[] = [];
  const callback = (name: string, throws: boolean) => () => {
    called.push(name);
    if (throws) throw new Error(name);
  };
  const wait = (key: string, name: string, throws: boolean) =>
    store.lease({ namespace: "n", key, waitMs: 1_000, leaseMs: 2_000 }, callback(name, throws));
  const subscribe = (name: string, throws: boolean) =>
    store.subscribe([{ namespace: "n", prefixes: [] }], noCursor, callback(name, throws));
  const invalidate = (target: InvalidateTarget) => {
    const writer = { origin: "", traceparent: "" };
    store.invalidate({ namespace: "n", target, soft: false, sourceVersion: 0n, writer });
  };
  return { driver, store, called, wait, subscribe, invalidate };
}

function thrownBy(run: () => void): readonly string[] {
  try {
    run();
  } catch (error) {
    const errors = error instanceof AggregateError ? error.errors : [error];
    return errors.map((one) => (one instanceof Error ? one.message : String(one)));
  }
  return [];
}

describe("a callback that throws", () => {
  it("keeps no other waiter and no subscriber from being called, and the Set stands", () => {
    const { driver, called, wait, subscribe } = start();
    driver.token("k");
    for (let number = 0; number < 4; number++) wait("k", `wait ${number}`, number % 2 === 0);
    for (let number = 0; number < 3; number++) subscribe(`subscriber ${number}`, number === 0);
    expect(thrownBy(() => driver.set("k"))).toEqual(["wait 0", "wait 2", "subscriber 0"]);
    expect(called).toEqual([
      ...["wait 0", "wait 1", "wait 2", "wait 3"],
      ...["subscriber 0", "subscriber 1", "subscriber 2"],
    ]);
    expect(driver.read("k")).toBe("v");
    expect(thrownBy(() => driver.set("k"))).toEqual([]);
  });

  it("comes out as it is when it is the only one", () => {
    const { driver, wait } = start();
    driver.token("k");
    wait("k", "wait", true);
    expect(() => driver.set("k")).toThrow(/^wait$/);
  });

  it("keeps no other shard's waiters from being called, of keys and of a prefix", () => {
    for (const target of [
      { kind: "keys", keys: ["a", "b", "c", "d", "e", "f", "g", "h"] },
      { kind: "all" },
    ] as const) {
      const { driver, called, wait, invalidate } = start(4);
      const keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
      for (const key of keys) {
        driver.token(key);
        wait(key, key, true);
      }
      expect(thrownBy(() => invalidate(target)).toSorted()).toEqual(keys);
      expect(called.toSorted()).toEqual(keys);
    }
  });

  it("keeps maintain() from nothing that is due", () => {
    const { driver, store, called, wait } = start(4);
    const keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    driver.set("expiring", { ttlMs: 1 });
    for (const key of keys) {
      driver.token(key, 2_000);
      wait(key, key, true);
    }
    driver.clock.advance(10_000);
    expect(thrownBy(() => store.maintain(1_000)).toSorted()).toEqual(keys);
    expect(called.toSorted()).toEqual(keys);
    expect(store.shards().reduce((sum, { entries }) => sum + entries, 0)).toBe(0);
    expect(thrownBy(() => store.maintain(1_000))).toEqual([]);
  });
});
