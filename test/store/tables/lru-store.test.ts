/** The store on `lru-cache`, held to what every engine is held to. */
import { describe } from "vitest";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { storeFollowsContract } from "../../contract/store-contract.ts";

describe("the store on lru-cache", () => {
  storeFollowsContract((options) => createStore({ ...options, engine: "lru" }));
});
