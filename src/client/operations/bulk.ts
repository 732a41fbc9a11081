/** Runs the operations of a bulk call, such as a `getMany`, in order and a bounded number at a time. */

/** Unsettled operations of one bulk call: more than the window takes of them, so that it never waits for the next ones. */
const UNSETTLED_MAX = 2_048;

/**
 * Calls `start` with each item. Resolves with the results in the order of the items; rejects with the first failure, after
 * which nothing is started.
 */
export function runBulk<Item, Result>(
  items: readonly Item[],
  start: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const { promise, resolve, reject } = Promise.withResolvers<Result[]>();
  const waiting = items.entries();
  let unsettled = 0;
  let failed = false;
  const fail = (error: unknown) => {
    failed = true;
    reject(error);
  };
  const startNext = (): boolean => {
    const { done, value } = waiting.next();
    if (done) return false;
    const [index, item] = value;
    unsettled += 1;
    start(item).then((result) => {
      results[index] = result;
      unsettled -= 1;
      startMore();
    }, fail);
    return true;
  };
  const startMore = () => {
    try {
      while (!failed && unsettled < UNSETTLED_MAX && startNext());
    } catch (error) {
      fail(error);
    }
    if (unsettled === 0) resolve(results);
  };
  startMore();
  return promise;
}
