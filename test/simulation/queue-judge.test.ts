import { describe, expect, it } from "vitest";
import { createHistory } from "./history.ts";
import { createQueueJudge, type Queued } from "./queue-judge.ts";
import { createTruth } from "./truth.ts";
import type { Observed } from "./witness.ts";

const TAGS: Readonly<Record<string, readonly string[]>> = { plain: [], tagged: ["t"] };

/** The invalidation of a tag has reached the store, its caller was told that it is queued, and then reads a key. */
function readAfterQueued(observed: Observed, reachesStore: boolean) {
  const history = createHistory(() => 0);
  const truth = createTruth(["k"]);
  truth.restarted(7n, history.note("store", "begins"));
  const judge = createQueueJudge(history, truth, (_key, observed) =>
    observed.kind === "value" ? (TAGS[observed.value] ?? []) : [],
  );
  const target = { kind: "tags", tags: ["t"] } as const;
  const call = history.note("c", "invalidates");
  const effect = history.note("store", "invalidates");
  if (reachesStore) {
    const done = { moment: effect, namespace: "n", target, soft: false, sourceVersion: 0n, origin: "c" };
    truth.invalidated(done, () => ({ shard: 0, revision: 1 }));
  }
  const rejected = history.note("c", "is told that it is queued");
  judge.queued({ client: "c", target, soft: false, sourceVersion: 0n, call, rejected } satisfies Queued);
  const asked = history.note("c", "reads");
  const floor = judge.read("c", "k", observed, asked, history.note("c", "has read"), call);
  return { raisedTo: floor === call ? undefined : floor, effect, violations: history.violations };
}

const value = (text: string): Observed => ({ kind: "value", value: text, stale: false });

describe("the judge of queued invalidations", () => {
  it("demands that a value with the tag is from after the invalidation of the tag", () => {
    const { raisedTo, effect } = readAfterQueued(value("tagged"), true);
    expect(raisedTo).toEqual(effect);
  });

  it("demands that a value with the tag is not read before the invalidation has reached the store", () => {
    expect(readAfterQueued(value("tagged"), false).violations).toMatchObject([{ check: "queued-order" }]);
  });

  it("demands nothing of a value without the tag, nor of a miss", () => {
    for (const observed of [value("plain"), { kind: "miss" } as const]) {
      for (const reachesStore of [true, false]) {
        const { raisedTo, violations } = readAfterQueued(observed, reachesStore);
        expect(raisedTo).toBeUndefined();
        expect(violations).toEqual([]);
      }
    }
  });
});
