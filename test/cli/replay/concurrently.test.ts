import { describe, expect, it } from "vitest";
import { runConcurrently } from "../../../src/cli/replay/concurrently.ts";

/** Steps that wait until they are released, in the order of their start. */
function createSteps(count: number) {
  const started: PromiseWithResolvers<void>[] = [];
  const step = (): Promise<void> | undefined => {
    if (started.length === count) return undefined;
    const running = Promise.withResolvers<void>();
    started.push(running);
    return running.promise;
  };
  return { started, step };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("runConcurrently()", () => {
  it("runs as many steps at a time as there are loops, until none is left", async () => {
    const { started, step } = createSteps(5);
    const running = runConcurrently(2, step);
    expect(started).toHaveLength(2);
    for (let ended = 1; ended <= 5; ended += 1) {
      started[ended - 1]?.resolve();
      await turn();
      expect(started).toHaveLength(Math.min(ended + 2, 5));
    }
    await running;
  });

  it("rejects with the first error, and starts no other step after it", async () => {
    const { started, step } = createSteps(5);
    const running = runConcurrently(2, step);
    started[0]?.reject(new Error("first"));
    await expect(running).rejects.toThrow("first");
    started[1]?.resolve();
    await turn();
    expect(started).toHaveLength(2);
  });

  it("rejects when a step throws at once", async () => {
    const step = () => {
      throw new Error("at once");
    };
    await expect(runConcurrently(3, step)).rejects.toThrow("at once");
  });
});
