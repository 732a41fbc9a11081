/** BentoCache's own suite of a driver, and three processes of BentoCache whose first layers agree by the bus. */
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import type { BusDriver, CreateBusDriverResult, CreateDriverResult, L2CacheDriver } from "bentocache/types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type MeshcacheBus,
  type MeshcacheBusResult,
  type MeshcacheDriverResult,
  meshcacheDriver,
} from "../../../src/adapters/bentocache/index.ts";
import { MeshCache } from "../../../src/index.ts";
import { eventually } from "../../support/eventually.ts";
import { type Served, serve } from "./served.ts";
import { type Spawned, spawnApp, spawnProgram } from "./spawned.ts";

// The types agree with those of BentoCache.
export const asL2Layer = (given: MeshcacheDriverResult): CreateDriverResult<L2CacheDriver> => given;
export const asBusDriver = (given: MeshcacheBus): BusDriver => given;
export const asBus = (given: MeshcacheBusResult): CreateBusDriverResult => given;

const SUITE_CASES = 21;

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served[Symbol.asyncDispose]());

describe("BentoCache's suite of a driver for the second layer", () => {
  it("passes whole", async () => {
    const { line, ended } = await spawnProgram("bentocache-runner.ts", served.address);
    expect(await ended).toEqual([0, null]);
    expect(Number(line)).toBe(SUITE_CASES);
  });
});

describe("BentoCache without a cache", () => {
  it.each([
    ["of two layers computes", bentostore().useL1Layer(memoryDriver()), {}],
    ["of the second layer alone computes if it is told to", bentostore(), { suppressL2Errors: true }],
  ])("%s", async (_, layers, options) => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {}, deadlineMs: 300 });
    const users = layers.useL2Layer(meshcacheDriver({ cache }));
    const bento = new BentoCache({ default: "users", ...options, stores: { users } });
    expect(await bento.getOrSet({ key: "user:1", factory: () => "Ada" })).toBe("Ada");
    await cache.close({ graceMs: 0 });
  });
});

describe("three processes of BentoCache", () => {
  let apps: readonly Spawned[];
  beforeAll(async () => {
    apps = await Promise.all([1, 2, 3].map(() => spawnApp("bentocache", served.address)));
  });
  afterAll(async () => {
    for (const app of apps ?? []) await app[Symbol.asyncDispose]();
  });

  const tell = async (app: number, command: string): Promise<unknown> => {
    const answer = await apps[app]?.tell(command);
    return JSON.parse(answer ?? "");
  };
  const allRead = (key: string) => Promise.all(apps.map((_app, index) => tell(index, `get ${key}`)));
  /** All have it in their first layer. */
  const isEverywhere = (key: string, value: unknown) =>
    eventually(async () => expect(await allRead(key)).toEqual([value, value, value]));

  it.each([
    ["a new value", "set user:1 Grace", "Grace"],
    ["a deletion", "delete user:1", null],
    ["a tag", "deleteByTag all", null],
    ["a clear", "clear", null],
  ])("agree after %s", async (_, command, value) => {
    await tell(0, "set user:1 Ada");
    await isEverywhere("user:1", "Ada");
    await tell(1, command);
    await isEverywhere("user:1", value);
  });
});
