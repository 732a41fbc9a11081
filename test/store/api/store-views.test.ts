/** The store as three threads have it, one call at a time, held to what every engine is held to. */
import { describe } from "vitest";
import { storeFollowsContract } from "../../contract/store-contract.ts";
import { createStoreViews } from "../../support/store-views.ts";

describe("the store with a view for each of three threads", () => {
  storeFollowsContract((options) =>
    createStoreViews({ budgetBytes: 2 ** 21, ...options, engine: "offheap" }, 3, 1),
  );
});
