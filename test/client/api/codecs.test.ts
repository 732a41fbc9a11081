/** Codecs: every value comes back, and what cannot be encoded or decoded is a typed error. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SelectorSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeValue, encodeValue } from "../../../src/client/api/codecs.ts";
import { deepFreeze } from "../../../src/client/api/deep-freeze.ts";
import { bytes, type CacheError, type Codec, json, protobuf, text } from "../../../src/index.ts";

function failure(run: () => unknown): CacheError {
  try {
    run();
  } catch (error) {
    return error as CacheError;
  }
  throw new Error("it did not fail");
}

const roundTrip = <Value>(codec: Codec<Value>, value: Value): Value => codec.decode(codec.encode(value));

describe("Codecs", () => {
  it("bring every value back", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(roundTrip(json<unknown>(), value)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    fc.assert(fc.property(fc.string({ unit: "binary" }), (value) => roundTrip(text(), value) === value));
    fc.assert(
      fc.property(fc.uint8Array(), (value) => Buffer.compare(roundTrip(bytes(), value), value) === 0),
    );
    const message = {
      $typeName: "meshcache.v1.Selector",
      namespace: "n",
      namespaceIsPrefix: false,
      prefixes: ["a", "b"],
    } as const;
    expect(roundTrip(protobuf(SelectorSchema), { ...message, prefixes: ["a", "b"] })).toEqual(message);
  });

  it("keep nothing of the bytes they were given", () => {
    const shared = Buffer.from([1, 2, 3]);
    const value = bytes().decode(shared.subarray(0, 2));
    shared[0] = 9;
    expect([...value]).toEqual([1, 2]);
    expect(value.buffer.byteLength).toBe(2);
  });

  it("give every reader bytes of its own, whatever their size", () => {
    for (const size of [0, 1, 64, 65, 100, 1_024, 1_025, 10_240]) {
      const encoded = new Uint8Array(size).fill(1);
      const reads = Array.from({ length: 100 }, () => bytes().decode(encoded));
      reads.forEach((read, index) => {
        read.fill(index);
      });
      expect(reads.every((read, index) => read.length === size && read.every((byte) => byte === index))).toBe(
        true,
      );
      expect(encoded.every((byte) => byte === 1)).toBe(true);
      expect(reads.every((read) => read.buffer.byteLength <= Math.max(8_192, size))).toBe(true);
    }
  });

  it("keep large values in the buffer that they came in, and copy small ones", () => {
    const { decodeOwn } = bytes();
    if (decodeOwn === undefined) throw new Error("bytes may be kept");
    const message = new Uint8Array(256 * 1024).fill(1);
    const large = message.subarray(1_000, 1_000 + 10_240);
    expect(decodeOwn(large)).toBe(large);
    for (const size of [0, 64, 100, 1_024, 1_025, 8_191]) {
      const value = decodeOwn(message.subarray(5, 5 + size));
      expect(value.buffer).not.toBe(message.buffer);
      expect(value).toEqual(new Uint8Array(size).fill(1));
    }
  });

  it("refuse what would not come back", () => {
    expect(failure(() => encodeValue(text(), "users", "\ud800"))).toMatchObject({ reason: "CODEC" });
    expect(failure(() => encodeValue(json<unknown>(), "users", undefined))).toMatchObject({
      reason: "CODEC",
    });
    expect(failure(() => encodeValue(json<unknown>(), "users", 1n))).toMatchObject({ reason: "CODEC" });
  });

  it("name the namespace and the codec of what they cannot read, and nothing of the value", () => {
    const secret = Buffer.from("{secret");
    for (const codec of [json<unknown>(), protobuf(SelectorSchema)]) {
      const error = failure(() => decodeValue<unknown>(codec as Codec<unknown>, "users", secret));
      expect(error).toMatchObject({ reason: "CODEC", detail: { namespace: "users", codec: codec.name } });
      expect(error.message).not.toContain("secret");
    }
    const invalid = failure(() => decodeValue(text(), "users", new Uint8Array([0xff])));
    expect(invalid.detail).toEqual({ namespace: "users", codec: "text" });
  });
});

describe("deepFreeze()", () => {
  it("freezes every part of a plain value", () => {
    const value = { list: [{ deep: {} }], nothing: null, number: 1 };
    expect(deepFreeze(value)).toBe(true);
    expect(Object.isFrozen(value.list[0]?.deep)).toBe(true);
  });

  it("looks into objects that are frozen already, and ends on cycles", () => {
    const inner = { open: true };
    const outer: { inner: object; self?: object } = { inner };
    outer.self = outer;
    Object.freeze(outer);
    expect(deepFreeze(outer)).toBe(true);
    expect(Object.isFrozen(inner)).toBe(true);
  });

  it.each([
    ["bytes", new Uint8Array(1)],
    ["no bytes", new Uint8Array(0)],
    ["a map", new Map()],
    ["a date", new Date(0)],
    ["a function", () => undefined],
    ["an instance", new (class Account {})()],
  ])("says that %s cannot be shared", (_what, value) => {
    expect(deepFreeze({ value })).toBe(false);
  });
});
