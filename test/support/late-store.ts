/** A store that answers later, as one over a network does, with what an embedded store answers. */
import type { Pending, RemoteStore, Settle } from "../../src/store/api/backend.ts";
import type { Store, StoreView } from "../../src/store/api/store.ts";

export interface LateStore extends RemoteStore {
  readonly embedded: Store;
  /** What was asked for and has not settled. */
  readonly out: number;
  /** Of all barriers so far. */
  readonly barriers: number;
}

export interface LateStoreOptions {
  /** Runs a function later. Default: in a later turn of the event loop. */
  readonly defer?: (run: () => void) => void;
  /** What fails instead of being run. Default: nothing. */
  readonly failure?: () => Error | undefined;
}

export function createLateStore(embedded: Store, options: LateStoreOptions = {}): LateStore {
  const { defer = (run) => setImmediate(run), failure = () => undefined } = options;
  let out = 0;
  let barriers = 0;
  const later = <Result>(settle: Settle<Result>, run: () => Result): Pending => {
    let isCancelled = false;
    out += 1;
    defer(() => {
      out -= 1;
      if (isCancelled) return;
      const error = failure();
      settle(error ?? run());
    });
    return {
      cancel() {
        isCancelled = true;
      },
    };
  };
  const view: StoreView = {
    get epoch() {
      return embedded.epoch;
    },
    predecessors: embedded.predecessors,
    shardCount: embedded.shardCount,
    counters: embedded.counters,
    createHolder: () => embedded.createHolder(),
    openHolder: (predecessor) => embedded.openHolder(predecessor),
    closeHolder: (holder) => embedded.closeHolder(holder),
    subscribe: (selectors, cursor, wake) => embedded.subscribe(selectors, cursor, wake),
    maintain: (maxEntries) => embedded.maintain(maxEntries),
    shards: () => embedded.shards(),
    namespaces: () => embedded.namespaces(),
  };
  return {
    ...view,
    remote: true,
    embedded,
    get out() {
      return out;
    },
    get barriers() {
      return barriers;
    },
    get: (command, settle) => later(settle, () => embedded.get(command)),
    inspect: (namespace, key, settle) => later(settle, () => embedded.inspect(namespace, key)),
    listKeys: (command, settle) => later(settle, () => embedded.listKeys(command)),
    set: (command, settle) => later(settle, () => embedded.set(command)),
    invalidate: (command, settle) => later(settle, () => embedded.invalidate(command)),
    touch: (command, settle) => later(settle, () => embedded.touch(command)),
    increment: (command, settle) => later(settle, () => embedded.increment(command)),
    release: (namespace, key, token, settle) => later(settle, () => embedded.release(namespace, key, token)),
    lease(command, settle) {
      let waiting: Pending | undefined;
      let isCancelled = false;
      const answerLater = (answer: Parameters<typeof settle>[0]) =>
        defer(() => {
          if (!isCancelled) settle(answer);
        });
      const asked = later<undefined>(
        () => {},
        () => {
          const result = embedded.lease(command, answerLater);
          if (result.kind === "waiting") waiting = result;
          else answerLater(result);
          return undefined;
        },
      );
      return {
        cancel() {
          isCancelled = true;
          asked.cancel();
          waiting?.cancel();
        },
      };
    },
    problem: () => failure()?.message,
    barrier(settle) {
      barriers += 1;
      return later(settle, () => {});
    },
  };
}
