/** Which subscribers wait, which are woken, and when all have caught up; then the events that a store keeps decoded. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SINGLE_THREAD } from "../../../src/store/api/threads.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { ThreadWakeups, threadWakeupsBytes } from "../../../src/store/events/thread-wakeups.ts";
import { type WaitingSubscriber, WaitList } from "../../../src/store/events/wait-list.ts";
import { createRegion } from "../../../src/store/shm/region.ts";

interface Reader extends WaitingSubscriber {
  isBehind: boolean;
  wakes: number;
}

function newReader(): Reader {
  const reader: Reader = {
    older: undefined,
    newer: undefined,
    woken: false,
    isBehind: false,
    wakes: 0,
    behind: () => reader.isBehind,
    wake: () => {
      reader.wakes += 1;
    },
  };
  return reader;
}

describe("WaitList", () => {
  it("wakes waiting subscribers that are behind, once, and reports when all have caught up, over any history", () => {
    const step = fc.record({
      act: fc.constantFrom("wait" as const, "leave" as const, "event" as const, "wake" as const),
      who: fc.nat(4),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let caughtUp = 0;
        const threadWakeups = new ThreadWakeups(createRegion(threadWakeupsBytes(1)), SINGLE_THREAD);
        const waitList = new WaitList(threadWakeups, () => {
          caughtUp += 1;
        });
        const readers = Array.from({ length: 5 }, newReader);
        const waiting = new Set<Reader>();
        const woken = new Set<Reader>();
        for (const { act, who } of steps) {
          const reader = readers[who];
          if (reader === undefined) throw new Error("five readers");
          const wakesBefore = readers.map(({ wakes }) => wakes);
          const before = caughtUp;
          if (act === "wait") {
            waitList.add(reader);
            waiting.add(reader);
            woken.delete(reader);
          } else if (act === "leave") {
            waitList.delete(reader);
            waiting.delete(reader);
            woken.delete(reader);
          } else if (act === "event") reader.isBehind = !reader.isBehind;
          else {
            const expected = waiting.size > 0 && woken.size === 0 ? before + 1 : before;
            waitList.wake();
            expect(caughtUp).toBe(expected);
            for (const [index, one] of readers.entries()) {
              const isWoken = waiting.has(one) && one.isBehind;
              expect(one.wakes).toBe((wakesBefore[index] ?? 0) + (isWoken ? 1 : 0));
              if (!isWoken) continue;
              waiting.delete(one);
              woken.add(one);
            }
          }
        }
      }),
    );
  });

  it("may be changed by a subscriber that is woken", () => {
    const threadWakeups = new ThreadWakeups(createRegion(threadWakeupsBytes(1)), SINGLE_THREAD);
    const waitList = new WaitList(threadWakeups, () => {});
    const [first, second, third] = [newReader(), newReader(), newReader()];
    for (const reader of [first, second, third]) {
      reader.isBehind = true;
      waitList.add(reader);
    }
    first.wake = () => {
      first.wakes += 1;
      first.isBehind = false;
      waitList.add(first);
      waitList.delete(third);
    };
    waitList.wake();
    waitList.add(second);
    first.isBehind = true;
    waitList.wake();
    expect([first.wakes, second.wakes]).toEqual([2, 2]);
    expect([third.wakes, third.woken]).toEqual([1, false]);
  });

  it("wakes all that are behind, even if some throw, and returns what they threw", () => {
    const threadWakeups = new ThreadWakeups(createRegion(threadWakeupsBytes(1)), SINGLE_THREAD);
    const waitList = new WaitList(threadWakeups, () => {});
    const readers = [newReader(), newReader(), newReader()];
    const errors = [new Error("0"), new Error("1")];
    for (const [index, reader] of readers.entries()) {
      reader.isBehind = true;
      waitList.add(reader);
      const error = errors[index];
      if (error === undefined) continue;
      reader.wake = () => {
        reader.wakes += 1;
        throw error;
      };
    }
    expect(waitList.wake()).toEqual(errors);
    expect(readers.map(({ wakes }) => wakes)).toEqual([1, 1, 1]);
  });
});

describe("a decoded event", () => {
  it("is one object for subscribers with different selectors, until all have read it", () => {
    const store = createStore({ shards: 2 });
    const read = (prefix: string) => {
      const subscriber = store.subscribe(
        [{ namespace: "n", prefixes: [prefix] }],
        new Uint8Array(),
        () => {},
      );
      return () => {
        const events = subscriber.read(10, 1 << 20);
        return events?.kind === "events" ? events.events : [];
      };
    };
    const [one, other] = [read(""), read("k")];
    const invalidate = (key: string) =>
      store.invalidate({
        namespace: "n",
        target: { kind: "keys", keys: [key] },
        soft: false,
        sourceVersion: 0n,
        writer: { origin: "", traceparent: "" },
      });
    const gone = store.subscribe([], new Uint8Array(), () => {});
    const beginning = gone.cursor();
    gone.close();
    invalidate("k");
    const [event] = one();
    expect(other()[0]).toBe(event);
    expect(event?.name).toBe("k");
    invalidate("k2");
    const late = store.subscribe([{ namespace: "n", prefixes: ["k"] }], beginning, () => {});
    const again = late.read(10, 1 << 20);
    const first = again?.kind === "events" ? again.events.find(({ name }) => name === "k") : undefined;
    expect(first).toEqual(event);
    expect(first).not.toBe(event);
  });
});
