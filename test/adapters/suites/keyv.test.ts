/** Keyv's own test suite, whole, of both stores and both versions of Keyv, against a server. */
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { Keyv, type KeyvStoreAdapter } from "keyv";
import { detectKeyvStorage, Keyv as Keyv6, type KeyvStorageAdapter, keyvStorageCapability } from "keyv-6";
import * as vitest from "vitest";
import {
  createKeyv6Store,
  createKeyvStore,
  type Keyv6Store,
  type KeyvStore,
} from "../../../src/adapters/keyv/index.ts";
import { type Served, serve } from "./served.ts";

const { afterAll, beforeAll, describe, expect, it } = vitest;

// The types agree with those of Keyv.
export const asKeyv5Takes = (store: KeyvStore): KeyvStoreAdapter => store;
export const asKeyv6Takes = (store: Keyv6Store): KeyvStorageAdapter => store;

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served[Symbol.asyncDispose]());

describe("Keyv 5 over createKeyvStore()", () => {
  const store = () => createKeyvStore({ cache: served.cache, namespace: "keyv-5" });
  keyvTestSuite(vitest, Keyv, store);
  keyvIteratorTests(vitest, Keyv, store);
});

/** The suite is for Keyv 5: to delete many, Keyv 6 answers for each key, whatever the store is. docs/keyv.md names it. */
const NOT_OF_KEYV_6 = ".deleteMany([keys]) with nonexistent keys resolves to false";
const testOfKeyv6 = {
  ...vitest,
  it: (name: string, run: () => void) => (name === NOT_OF_KEYV_6 ? it.fails(name, run) : it(name, run)),
} as typeof vitest;

describe.each([
  ["createKeyvStore()", () => createKeyvStore({ cache: served.cache, namespace: "keyv-bridged" })],
  ["createKeyv6Store()", () => createKeyv6Store({ cache: served.cache, namespace: "keyv-6" })],
])("Keyv 6 over %s", (_, store) => {
  const keyv6 = Keyv6 as unknown as typeof Keyv;
  keyvTestSuite(testOfKeyv6, keyv6, store as () => KeyvStoreAdapter);
  keyvIteratorTests(testOfKeyv6, keyv6, store as () => KeyvStoreAdapter);
});

describe("Keyv6Store", () => {
  it("has the capabilities that Keyv sees in it, and is used as it is", () => {
    const store = createKeyv6Store({ cache: served.cache });
    expect(store.capabilities).toEqual(keyvStorageCapability(store));
    expect(detectKeyvStorage(store).store).toBe("keyvStorage");
    expect(new Keyv6({ store }).store).toBe(store);
  });

  it("refuses the lifetimes of Keyv 5 by name", async () => {
    const keyv = new Keyv({ store: createKeyv6Store({ cache: served.cache }) });
    const errors: unknown[] = [];
    keyv.on("error", (error) => errors.push(error));
    expect(await keyv.set("key", "value", 60_000)).toBe(false);
    expect(errors).toMatchObject([{ reason: "FIELD_INVALID", detail: { field: "expires" } }]);
  });
});
