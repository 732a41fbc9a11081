/** The store on the off-heap table, held to what every engine is held to. */
import { describe } from "vitest";
import { createStore } from "../../../../src/store/engine/create-store.ts";
import { createOffheapTable } from "../../../../src/store/tables/offheap/offheap-table.ts";
import { storeFollowsContract } from "../../../contract/store-contract.ts";
import { tableKeepsEntries } from "../../../contract/store-table.ts";

describe("the off-heap table", () => {
  tableKeepsEntries(createOffheapTable);
});

describe("the store on the off-heap table", () => {
  storeFollowsContract((options) => createStore({ budgetBytes: 2 ** 21, ...options, engine: "offheap" }));
});
