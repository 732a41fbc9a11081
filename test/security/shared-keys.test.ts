import { describe, expect, it } from "vitest";
import { createKeyMemory, KEYS_MAX_BYTES, SharedKeys } from "../../src/security/jwt/shared-keys.ts";
import { ManualClock } from "../support/manual-clock.ts";

const clock = new ManualClock();
const bytes = (text: string) => Buffer.from(text);

describe("what threads share about the keys of an URL", () => {
  it("lets one of them ask at a time, and none within the cool-down", () => {
    const memory = createKeyMemory();
    const [a, b] = [new SharedKeys(memory), new SharedKeys(memory)];
    expect([a.claim(0, 30), b.claim(0, 30), b.claim(1_000, 30)]).toEqual([true, false, false]);
    expect([a.isAsking, b.isAsking]).toEqual([true, true]);
    a.fail();
    expect([b.isAsking, b.claim(29, 30), b.claim(30, 30), a.claim(30, 30)]).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  it("lets another ask when the one that does is gone", () => {
    const memory = createKeyMemory();
    const [gone, other] = [new SharedKeys(memory), new SharedKeys(memory)];
    expect([gone.claim(0, 30_000), other.claim(29_999, 30_000), other.claim(30_000, 30_000)]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("tells all of them when the last answer came, and whether asking has failed since", () => {
    const memory = createKeyMemory();
    const [a, b] = [new SharedKeys(memory), new SharedKeys(memory)];
    expect(b.hasFailed).toBe(false);
    a.fail();
    expect(b.hasFailed).toBe(true);
    a.answer(bytes("keys"), clock);
    expect([b.hasFailed, b.answered]).toEqual([
      false,
      { monotonicMs: clock.nowMs(), wallMs: clock.wallMs() },
    ]);
  });

  it("gives each of them an answer once", () => {
    const memory = createKeyMemory();
    const [a, b] = [new SharedKeys(memory), new SharedKeys(memory)];
    expect(b.takeNew()).toBeUndefined();
    a.answer(bytes("a longer one"), clock);
    expect([a.takeNew(), b.takeNew(), b.takeNew()]).toEqual(["a longer one", "a longer one", undefined]);
    a.answer(bytes("short"), clock);
    expect(b.takeNew()).toBe("short");
    const largest = "x".repeat(KEYS_MAX_BYTES);
    b.answer(bytes(largest), clock);
    expect(a.takeNew()).toBe(largest);
    // A thread that comes later gets it too.
    expect(new SharedKeys(memory).takeNew()).toBe(largest);
  });

  it("gives nobody an answer that is being written", () => {
    const memory = createKeyMemory();
    const reader = new SharedKeys(memory);
    new SharedKeys(memory).answer(bytes("whole"), clock);
    const version = new Int32Array(memory, 0, 1);
    Atomics.add(version, 0, 1);
    expect(reader.takeNew()).toBeUndefined();
    Atomics.add(version, 0, 1);
    expect(reader.takeNew()).toBe("whole");
  });
});
