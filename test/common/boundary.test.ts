/** What a callback throws ends its owner, is counted, and is reported once for each cause. */
import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { createBoundary, guardTimers } from "../../src/common/boundary.ts";
import { ManualClock } from "../support/manual-clock.ts";

class Stream extends EventEmitter {
  destroyed = 0;

  destroy(): void {
    this.destroyed += 1;
  }
}

function bounded() {
  const reported: unknown[] = [];
  return { reported, boundary: createBoundary((error) => reported.push(error)) };
}

const fail = () => {
  throw new TypeError("planted");
};

describe("Boundary.contain()", () => {
  it("contains what any listener throws, also one that is registered later, and ends the emitter", () => {
    const { boundary, reported } = bounded();
    const stream = boundary.contain(new Stream());
    stream.once("data", fail);
    stream.on("end", fail);
    stream.emit("data");
    expect(stream.destroyed).toBe(1);
    stream.emit("end");
    expect([stream.destroyed, boundary.faults, reported.length]).toEqual([2, 2, 1]);
  });

  it("contains an error event without a listener", () => {
    const { boundary } = bounded();
    const stream = boundary.contain(new Stream());
    stream.emit("error", new Error("nobody listens"));
    expect([stream.destroyed, boundary.faults]).toEqual([1, 1]);
  });

  it("changes nothing for listeners that return", () => {
    const { boundary } = bounded();
    const stream = boundary.contain(boundary.contain(new Stream()));
    const seen: unknown[] = [];
    stream.on("data", (...args: unknown[]) => seen.push(...args));
    expect([stream.emit("data", 1, 2, 3), stream.emit("other")]).toEqual([true, false]);
    expect([seen, boundary.faults, stream.destroyed]).toEqual([[1, 2, 3], 0, 0]);
  });
});

describe("Boundary.guard()", () => {
  it("destroys the owner, survives an owner that throws, and works without one", () => {
    const { boundary } = bounded();
    const stream = new Stream();
    boundary.guard(stream, fail)();
    boundary.guard({ destroy: fail }, fail)();
    boundary.guard(undefined, fail)();
    expect([stream.destroyed, boundary.faults]).toEqual([1, 3]);
  });

  it("counts what it does not report: the same cause again, and causes beyond 100", () => {
    const { boundary, reported } = bounded();
    for (let index = 0; index < 200; index++) {
      const error = new Error("planted");
      error.stack = `Error: planted\n    at place${index % 150}`;
      boundary.caught(undefined, error);
    }
    expect([boundary.faults, reported.length]).toEqual([200, 100]);
  });

  it("survives a report that throws", () => {
    const boundary = createBoundary(fail);
    const stream = new Stream();
    boundary.caught(stream, new Error("planted"));
    expect([stream.destroyed, boundary.faults]).toEqual([1, 1]);
  });
});

describe("the type of Boundary.guard()", () => {
  it("refuses a callback that returns a promise, or may return one", () => {
    const { boundary } = bounded();
    const settled = Promise.resolve();
    const mayWait = (waits: boolean): Promise<void> | undefined => (waits ? settled : undefined);
    const thenable = (): PromiseLike<number> => settled.then(() => 1);
    const guarded = [
      // @ts-expect-error: an async function
      boundary.guard(undefined, async () => {}),
      // @ts-expect-error: an arrow that passes a promise on
      boundary.guard(undefined, () => settled),
      // @ts-expect-error: a function that may return a promise
      boundary.guard(undefined, mayWait),
      // @ts-expect-error: anything with a then
      boundary.guard(undefined, thenable),
    ];
    expect(guarded).toHaveLength(4);
  });

  it("takes callbacks that return nothing or a value, and keeps the types of their arguments", () => {
    const { boundary } = bounded();
    const named: (name: string, count?: number) => void = boundary.guard(
      undefined,
      (name: string, count = 0) => name.length + count,
    );
    const guarded = [boundary.guard(undefined, () => {}), boundary.guard(undefined, () => true)];
    // @ts-expect-error: the first argument is a string
    named(1);
    for (const run of guarded) run();
    expect(boundary.faults).toBe(0);
  });
});

describe("guardTimers()", () => {
  it("contains what a timer throws, and runs the others", () => {
    const { boundary } = bounded();
    const clock = new ManualClock();
    const guarded = guardTimers(clock, boundary);
    let ran = 0;
    guarded.schedule(1, fail);
    guarded.schedule(1, () => {
      ran += 1;
    });
    guarded.schedule(1, fail).cancel();
    clock.advance(1);
    expect([ran, boundary.faults, guarded.nowMs()]).toEqual([1, 1, clock.nowMs()]);
  });
});
