import { describe, expect, it } from "vitest";
import { createKeyMemory, KEYS_MAX_BYTES, SharedKeys } from "../../src/security/jwt/shared-keys.ts";

const bytes = (text: string) => Buffer.from(text);

describe("what threads share about the keys of an URL", () => {
  it("lets one of them ask at a time, and none within the cool-down", () => {
    const memory = createKeyMemory();
    const [a, b] = [new SharedKeys(memory), new SharedKeys(memory)];
    expect([a.claim(0, 30), b.claim(0, 30), b.claim(1_000, 30)]).toEqual([true, false, false]);
    expect([a.isAsking, b.isAsking]).toEqual([true, true]);
    a.failed();
    expect([b.isAsking, b.claim(29, 30), b.claim(30, 30), a.claim(30, 30)]).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  it("gives each of them an answer once", () => {
    const memory = createKeyMemory();
    const [a, b] = [new SharedKeys(memory), new SharedKeys(memory)];
    expect(b.takeNew()).toBeUndefined();
    a.answered(bytes("a longer one"));
    expect([a.takeNew(), b.takeNew(), b.takeNew()]).toEqual(["a longer one", "a longer one", undefined]);
    a.answered(bytes("short"));
    expect(b.takeNew()).toBe("short");
    const largest = "x".repeat(KEYS_MAX_BYTES);
    b.answered(bytes(largest));
    expect(a.takeNew()).toBe(largest);
    // A thread that comes later gets it too.
    expect(new SharedKeys(memory).takeNew()).toBe(largest);
  });

  it("gives nobody an answer that is being written", () => {
    const memory = createKeyMemory();
    const reader = new SharedKeys(memory);
    new SharedKeys(memory).answered(bytes("whole"));
    const version = new Int32Array(memory, 0, 1);
    Atomics.add(version, 0, 1);
    expect(reader.takeNew()).toBeUndefined();
    Atomics.add(version, 0, 1);
    expect(reader.takeNew()).toBe("whole");
  });
});
