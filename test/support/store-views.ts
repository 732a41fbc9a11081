/** A store with the views of several threads, all in this thread. A seed chooses the view for each call. */
import { createSeededRng } from "../../src/common/random.ts";
import type { Store } from "../../src/store/api/store.ts";
import type { StoreMessage } from "../../src/store/api/threads.ts";
import { attachStore, createStoreMemory, type StoreOptions } from "../../src/store/engine/create-store.ts";

/** Messages between the threads are delivered at the end of the call that sent them. */
export function createStoreViews(
  options: Partial<StoreOptions>,
  count: number,
  seed: number,
  memory = createStoreMemory(options, count),
): Store {
  const rng = createSeededRng(seed);
  const mail: { readonly to: number; readonly message: StoreMessage }[] = [];
  const views = Array.from({ length: count }, (_, self) =>
    attachStore(memory, {
      ...options,
      threads: { self, count, send: (to, message) => mail.push({ to, message: structuredClone(message) }) },
    }),
  );
  const pick = () => {
    const view = views[Math.floor(rng.fraction() * count)];
    if (view === undefined) throw new RangeError("a fraction is below 1");
    return view;
  };
  const deliver = (): void => {
    for (let next = mail.shift(); next !== undefined; next = mail.shift()) {
      views[next.to]?.receive(next.message);
    }
  };
  const then = <Result>(result: Result): Result => {
    deliver();
    return result;
  };
  const first = pick();
  return {
    epoch: first.epoch,
    predecessors: first.predecessors,
    shardCount: first.shardCount,
    counters: first.counters,
    shardOf: (namespace, key) => first.shardOf(namespace, key),
    get: (command, arena) => then(pick().get(command, arena)),
    inspect: (namespace, key) => pick().inspect(namespace, key),
    listKeys: (command) => pick().listKeys(command),
    set: (command) => then(pick().set(command)),
    invalidate: (command) => then(pick().invalidate(command)),
    touch: (command) => then(pick().touch(command)),
    increment: (command) => then(pick().increment(command)),
    lease: (command, settle) => then(pick().lease(command, settle)),
    release: (namespace, key, token) => then(pick().release(namespace, key, token)),
    createHolder: () => pick().createHolder(),
    openHolder: (predecessor) => pick().openHolder(predecessor),
    closeHolder: (holder) => then(pick().closeHolder(holder)),
    subscribe: (selectors, cursor, wake) => pick().subscribe(selectors, cursor, wake),
    maintain: (maxEntries) => then(pick().maintain(maxEntries)),
    shards: () => pick().shards(),
    namespaces: () => pick().namespaces(),
    boundNamespaces(bounds) {
      for (const view of views) view.boundNamespaces(bounds);
    },
  };
}
