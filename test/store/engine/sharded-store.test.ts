/** What a store owes its subscribers whatever becomes of the call that made the events. */
import { expect, it } from "vitest";
import { createStore } from "../../../src/store/engine/create-store.ts";

const writer = { origin: "", traceparent: "" };

it("wakes the subscribers of an event though a wait that it ended throws when it is told", () => {
  const store = createStore({ shards: 1 });
  let wakes = 0;
  const subscriber = store.subscribe([{ namespace: "n", prefixes: [] }], new Uint8Array(), () => wakes++);
  expect(store.lease({ namespace: "n", key: "k", waitMs: 0, leaseMs: 0 }).kind).toBe("granted");
  for (let wait = 0; wait < 2; wait++) {
    store.lease({ namespace: "n", key: "k", waitMs: 1_000, leaseMs: 0 }, () => {
      throw new Error("not now");
    });
  }
  const set = () =>
    store.set({
      namespace: "n",
      key: "k",
      value: new Uint8Array(1),
      ttlMs: 0,
      staleMs: 0,
      tags: [],
      contentType: "",
      absent: false,
      sourceVersion: 0n,
      condition: { kind: "always" },
      requestId: 0n,
      writer,
    });
  expect(set).toThrow("not now");
  expect([wakes, subscriber.behind()]).toEqual([1, true]);
  // Nor is the other wait forgotten.
  expect(() => store.maintain(1)).toThrow("not now");
  expect(store.maintain(1)).toBe(false);
});
