/** A small store whose snapshot has more than one block. */
import { attachStore, createStoreMemory, type StoreMemory } from "../../src/store/engine/create-store.ts";
import { StoreDriver } from "./store-driver.ts";

export const SMALL_STORE = { shards: 2, budgetBytes: 16 * 2 ** 20 };

/** By the system's clock. */
export function filledMemory(): StoreMemory {
  const memory = createStoreMemory(SMALL_STORE);
  const driver = new StoreDriver(() => attachStore(memory));
  for (let key = 0; key < 2_000; key++) driver.set(`k${key}`, { value: `v${key}`.repeat(200) });
  return memory;
}
