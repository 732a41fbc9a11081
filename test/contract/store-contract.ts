/** Everything that a store engine is held to. Call it inside a `describe` that names the engine. */
import type { CreateStoreUnderTest } from "../support/store-driver.ts";
import { storeIsCoherent } from "./store-coherence.ts";
import { storeKeepsEntries } from "./store-entries.ts";
import { storeTellsEvents } from "./store-events.ts";
import { storeInvalidates } from "./store-fences.ts";
import { storeIncrements } from "./store-increments.ts";
import { storeShowsEntries } from "./store-inspect.ts";
import { storeLeases } from "./store-leases.ts";
import { storeListsKeys } from "./store-listing.ts";
import { storeFollowsModel } from "./store-model.ts";

export function storeFollowsContract(create: CreateStoreUnderTest): void {
  storeKeepsEntries(create);
  storeIncrements(create);
  storeListsKeys(create);
  storeShowsEntries(create);
  storeInvalidates(create);
  storeLeases(create);
  storeTellsEvents(create);
  storeIsCoherent(create);
  storeFollowsModel(create, { runs: 2_000, commandsPerRun: 200 });
}
