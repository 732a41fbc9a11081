/**
 * The snapshot of another server, as somebody may put it in the place of this one's: whole, of the same version, and with
 * entries under the same keys. No store can tell it from its own, so it is loaded; no client may take it for what it knew.
 */
import type { Rng } from "../../src/common/random.ts";
import type { StoreMemory } from "../../src/store/engine/create-store.ts";
import { bytesOf, ownStore, type TestOptions } from "../support/snapshot-bytes.ts";
import { StoreDriver } from "../support/store-driver.ts";
import { NAMESPACE_NAME } from "./client-node.ts";
import type { History } from "./history.ts";
import { between } from "./plan.ts";
import type { SavedStore } from "./tapped-store.ts";
import type { Spell } from "./truth.ts";
import { allKeys, noteKeys } from "./workload.ts";

/** No life of the server has this number. */
const FOREIGN_LIFE = -1;
/** Its revisions are among those that clients know of the server. */
const WRITES_MAX = 40;

export function writeForeignSnapshot(
  options: TestOptions,
  rng: Rng,
  history: History,
): { readonly bytes: Buffer; readonly saved: SavedStore } {
  let memory: StoreMemory | undefined;
  const driver = new StoreDriver(() => {
    const owned = ownStore(options);
    memory = owned.memory;
    return owned.store;
  });
  if (memory === undefined) throw new Error("the driver makes its store at once");
  const moment = history.note("foreign", "writes its snapshot");
  const begun = { soft: false, from: moment, end: undefined };
  const spells = new Map<string, Spell>(
    allKeys.map((key) => [key, { ...begun, key, held: undefined, freshUntilMs: 0, staleUntilMs: 0 }]),
  );
  for (let writes = between(rng, 1, WRITES_MAX); writes > 0; writes -= 1) {
    for (const key of noteKeys) {
      const value = `${key}=foreign${writes}`;
      const result = driver.set(key, { namespace: NAMESPACE_NAME, value });
      if (result.kind !== "stored") throw new Error("a Set without a condition is stored");
      const { version } = result;
      const held = { value, version, life: FOREIGN_LIFE, sourceVersion: 0n, tags: [], since: moment };
      const forever = { freshUntilMs: Number.POSITIVE_INFINITY, staleUntilMs: Number.POSITIVE_INFINITY };
      spells.set(key, { ...begun, ...forever, key, held });
    }
  }
  const endRevisions = driver.store.shards().map(({ revision }) => revision);
  const truth = { life: FOREIGN_LIFE, spells, endRevisions };
  const saved = { moment, truth, sourceVersions: new Map(), requests: new Set<string>() };
  return { bytes: bytesOf(memory, options.clock, between(rng, 1, 2 ** 31)), saved };
}
