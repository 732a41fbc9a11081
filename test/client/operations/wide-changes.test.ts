/** One event of those of all shards: when it is passed on, what interleaves, and what is never complete. */
import { describe, expect, it } from "vitest";
import { WIDE_CHANGES_MAX, WideChanges } from "../../../src/client/operations/wide-changes.ts";
import { createSeededRng } from "../../../src/common/random.ts";

function start(shards = 3) {
  const passed: string[] = [];
  const changes = new WideChanges<string>((event) => passed.push(event));
  const add = (subject: string, shard: number) =>
    changes.add(
      subject,
      { shard, revision: 1, namespace: "n", target: "tag", name: subject },
      shards,
      `${subject}${shard}`,
    );
  return { passed, changes, add };
}

describe("WideChanges", () => {
  it("passes an event on with the last shard", () => {
    const { passed, add } = start();
    add("t", 1);
    add("t", 0);
    expect(passed).toEqual([]);
    add("t", 2);
    expect(passed).toEqual(["t2"]);
    for (const shard of [2, 1, 0]) add("t", shard);
    expect(passed).toEqual(["t2", "t0"]);
  });

  it("passes on as many events as there were invalidations, however their shards interleave", () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const rng = createSeededRng(seed);
    for (let run = 0; run < 200; run += 1) {
      const { passed, add } = start(5);
      const invalidations = 1 + Math.floor(rng.fraction() * 4);
      const left = new Array<number>(5).fill(invalidations);
      let done = 0;
      while (left.some((count) => count > 0)) {
        const shard = Math.floor(rng.fraction() * 5);
        if ((left[shard] ?? 0) === 0) continue;
        left[shard] = (left[shard] ?? 0) - 1;
        add("t", shard);
        const complete = invalidations - Math.max(...left);
        expect(passed.length, `seed ${seed}`).toBe(complete);
        done = complete;
      }
      expect(done, `seed ${seed}`).toBe(invalidations);
    }
  });

  it("passes on what stays incomplete after two answered pings, and not before", () => {
    const { passed, changes, add } = start();
    add("t", 0);
    changes.pingAnswered();
    add("t", 1);
    changes.pingAnswered();
    expect(passed).toEqual([]);
    changes.pingAnswered();
    expect(passed).toEqual(["t1"]);
    changes.pingAnswered();
    expect(passed).toEqual(["t1"]);
  });

  it("is bounded: beyond that the oldest is passed on as it is", () => {
    const { passed, add } = start();
    for (let at = 0; at <= WIDE_CHANGES_MAX; at += 1) add(`t${at}-`, 0);
    expect(passed).toEqual(["t0-0"]);
  });

  it("forgets what is incomplete when events are missing", () => {
    const { passed, changes, add } = start();
    add("t", 0);
    changes.clear();
    add("t", 1);
    add("t", 2);
    expect(passed).toEqual([]);
    add("t", 0);
    expect(passed).toEqual(["t0"]);
  });
});
