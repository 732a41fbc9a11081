/** cache-manager 7 over the store for Keyv: two processes agree. */
import { createCache } from "cache-manager";
import { Keyv } from "keyv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKeyvStore } from "../../../src/adapters/keyv/index.ts";
import { eventually } from "../../support/eventually.ts";
import { type Served, serve } from "./served.ts";

describe("cache-manager over createKeyvStore()", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serve();
  });
  afterAll(() => served[Symbol.asyncDispose]());

  const createOne = () =>
    createCache({ stores: [new Keyv({ store: createKeyvStore({ cache: served.connect() }) })] });

  it("sets, reads, deletes and clears for others too", async () => {
    const [one, other] = [createOne(), createOne()];
    await one.set("user:1", { name: "Ada" }, 60_000);
    expect(await other.get("user:1")).toEqual({ name: "Ada" });
    expect(await other.ttl("user:1")).toBeGreaterThan(Date.now());
    await one.mset([
      { key: "a", value: 1 },
      { key: "b", value: 2, ttl: 60_000 },
    ]);
    expect(await other.mget(["a", "b", "c"])).toEqual([1, 2, undefined]);
    await one.del("user:1");
    await eventually(async () => expect(await other.get("user:1")).toBeUndefined());
    await one.clear();
    await eventually(async () => expect(await other.mget(["a", "b"])).toEqual([undefined, undefined]));
  });

  it("wraps a function whose result the other does not compute again", async () => {
    const [one, other] = [createOne(), createOne()];
    let calls = 0;
    const compute = async () => {
      calls += 1;
      return { calls };
    };
    expect(await one.wrap("computed", compute, 60_000)).toEqual({ calls: 1 });
    expect(await other.wrap("computed", compute, 60_000)).toEqual({ calls: 1 });
  });
});
