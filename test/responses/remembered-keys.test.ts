/** A key that is remembered is the key of exactly these bytes, and there are not many of them. */
import { describe, expect, it } from "vitest";
import { RememberedKeys } from "../../src/responses/options/remembered-keys.ts";
import { UnkeyableRequest } from "../../src/responses/options/wire-reader.ts";

const MAX = 4;

function start() {
  const made: string[] = [];
  const keys = new RememberedKeys((request) => {
    const key = Buffer.from(request).toString("hex");
    made.push(key);
    return { key, tags: () => [key] };
  }, MAX);
  return { keys, made };
}

describe("the keys of the requests that came last", () => {
  it("are made once for the same bytes, whatever holds them", () => {
    const { keys, made } = start();
    const whole = Uint8Array.of(9, 1, 2, 9);
    for (const request of [Buffer.from([1, 2]), Uint8Array.of(1, 2), whole.subarray(1, 3)]) {
      expect(keys.keyOf(request)).toMatchObject({ key: "0102" });
    }
    expect(made).toEqual(["0102"]);
  });

  it("are told apart by each byte, also by those beyond ASCII and by zeros", () => {
    const { keys } = start();
    for (const bytes of [[], [0], [0, 0], [0x80], [0xc2, 0x80], [0xff], [0xfe], [1, 0], [0, 1]]) {
      const request = Buffer.from(bytes);
      for (let again = 0; again < 2; again++) expect(keys.keyOf(request).key).toBe(request.toString("hex"));
    }
  });

  it("are those of the last requests, and bounded", () => {
    const { keys, made } = start();
    for (let request = 0; request < 100; request++) {
      keys.keyOf(Uint8Array.of(request));
      expect(keys.size).toBeLessThanOrEqual(2 * MAX);
    }
    made.length = 0;
    for (const request of [99, 98, 97, 0]) keys.keyOf(Uint8Array.of(request));
    expect(made).toEqual(["00"]);
  });

  it("are not remembered of long requests, nor of requests without a key", () => {
    const { keys, made } = start();
    for (let again = 0; again < 2; again++) keys.keyOf(new Uint8Array(257));
    expect([made.length, keys.size]).toEqual([2, 0]);
    const refusing = new RememberedKeys(() => {
      throw new UnkeyableRequest("no");
    });
    for (let again = 0; again < 2; again++) {
      expect(() => refusing.keyOf(Uint8Array.of(1))).toThrow(UnkeyableRequest);
    }
    expect(refusing.size).toBe(0);
  });
});
