/** Foreign keys: that all fit, that none meet, and that a prefix covers them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ForeignKeys } from "../../src/adapters/foreign-keys.ts";

/** With lone surrogates, characters of all lengths, and what looks like a hash. */
const texts = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.string({ unit: fc.constantFrom("a", ":", "#", "%", "é", "😀", "\ud83d"), maxLength: 900 }),
  fc
    .tuple(fc.string({ maxLength: 20 }), fc.stringMatching(/^[0-9a-f]{64}$/))
    .map(([head, hex]) => `${head}#sha256:${hex}`),
);

describe("ForeignKeys", () => {
  it("gives keys that the contract allows, different ones for different keys", () => {
    fc.assert(
      fc.property(texts, texts, texts, texts, (namespace, key, otherNamespace, otherKey) => {
        const given = new ForeignKeys(namespace).toKey(key);
        expect(Buffer.byteLength(given)).toBeLessThanOrEqual(512);
        expect(given.isWellFormed()).toBe(true);
        const same = namespace === otherNamespace && key === otherKey;
        expect(new ForeignKeys(otherNamespace).toKey(otherKey) === given).toBe(same);
      }),
    );
  });

  it("never gives one key a hash that another key spells", () => {
    fc.assert(
      fc.property(texts, (key) => {
        const keys = new ForeignKeys();
        const given = keys.toForeign(keys.toKey(key));
        if (given === key) return;
        expect(keys.toKey(given)).not.toBe(keys.toKey(key));
      }),
    );
  });

  it("has all keys that begin with a base under the prefix of the base", () => {
    fc.assert(
      fc.property(texts, texts, texts, (namespace, base, rest) => {
        const keys = new ForeignKeys(namespace);
        expect(keys.toKey(base + rest).startsWith(keys.toPrefix(base))).toBe(true);
      }),
    );
  });

  it("has no key of one namespace under the prefix of another", () => {
    fc.assert(
      fc.property(texts, texts, texts, (namespace, other, key) => {
        fc.pre(namespace !== other);
        expect(new ForeignKeys(namespace).toKey(key).startsWith(new ForeignKeys(other).prefix)).toBe(false);
      }),
    );
  });

  it("leaves ordinary keys as they are", () => {
    expect(new ForeignKeys("users").toKey("user:42")).toBe("users:user:42");
    expect(new ForeignKeys().toKey("user:42")).toBe(":user:42");
    expect(new ForeignKeys("a:b").toKey("c")).toBe("a%3Ab:c");
    expect(new ForeignKeys("users").toForeign("users:user:42")).toBe("user:42");
  });
});
