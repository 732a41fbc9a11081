/** The background revalidation of suspect entries, and reads of it that fail. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Revalidation } from "../../../src/client/near-cache/revalidation.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { countUnhandled, type UnhandledCount } from "../../support/unhandled.ts";

let unhandled: UnhandledCount;
beforeAll(() => {
  unhandled = countUnhandled();
});
afterAll(() => unhandled.stop());

describe("C1: a revalidation whose reads fail", () => {
  it("reads every key of its batch, and leaves no rejection without a handler", async () => {
    const clock = new ManualClock();
    const read: string[] = [];
    const owner = {
      isSuspect: () => true,
      revalidate(key: string) {
        read.push(key);
        if (key === "throws") throw new Error("before there is a promise");
        return key === "rejects" ? Promise.reject(new Error("of the read")) : Promise.resolve();
      },
    };
    const revalidation = new Revalidation({
      clock,
      rng: createSeededRng(1),
      jitterMs: 0,
      maxEntries: 10,
      suspects: () => ["rejects", "throws", "good"].map((key) => ({ key, owner })),
    });
    revalidation.start();
    clock.advance(0);
    await new Promise(setImmediate);
    expect(read).toEqual(["rejects", "throws", "good"]);
    expect(unhandled.errors).toEqual([]);
  });
});
