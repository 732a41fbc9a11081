/** The store on `lru-cache`, held to what every engine is held to. */
import { describe } from "vitest";
import { createStore } from "../../src/store/create-store.ts";
import { storeFollowsModel } from "../contract/store-model.ts";

describe("the store on lru-cache", () => {
  storeFollowsModel((options) => createStore({ ...options, engine: "lru" }), {
    runs: 2_000,
    commandsPerRun: 200,
  });
});
