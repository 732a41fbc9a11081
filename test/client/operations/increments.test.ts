/** `increment()`: exact sums, its own near copy, copies elsewhere, and calls that are sent again. */
import { describe, expect, it, vi } from "vitest";
import { json, text } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

function start() {
  const mesh = new Mesh();
  const [one, other] = [1, 2].map(() => mesh.connect().namespace("counts", { codec: json<number>() }));
  if (one === undefined || other === undefined) throw new Error("there are two");
  const valueIn = async (counts: typeof one) => {
    const outcome = await mesh.run(counts.get("k"));
    return outcome.kind === "hit" ? outcome.value : outcome.kind;
  };
  return { mesh, one, other, valueIn };
}

describe("Namespace.increment()", () => {
  it("adds 1, a number or a bigint, and answers with all 64 bits", async () => {
    const { mesh, one } = start();
    const countOf = async (...[delta, options]: [delta?: number | bigint, options?: object]) => {
      const outcome = await mesh.run(one.increment("k", delta, options));
      return outcome.kind === "incremented" ? outcome.value : outcome.reason;
    };
    expect(await countOf(undefined, { initial: 41 })).toBe(42n);
    expect(await countOf(-50)).toBe(-8n);
    expect(await countOf(0)).toBe(-8n);
    expect(await countOf(2n ** 63n - 1n)).toBe(2n ** 63n - 9n);
    expect(await countOf(9n)).toBe("overflow");
    expect(await countOf(1, { when: "absent" })).toBe("exists");
    expect(await countOf(1, { when: { epoch: 0n, revision: 999 } })).toBe("versionMismatch");
  });

  it("says the version, what is left of the TTL, and whether the counter began here", async () => {
    const { mesh, one } = start();
    const first = await mesh.run(one.increment("k", 1, { ttlMs: "10s" }));
    expect(first).toEqual({
      kind: "incremented",
      value: 1n,
      version: { epoch: mesh.store.epoch, revision: 1 },
      ttlRemainingMs: 10_000,
      created: true,
    });
    await mesh.advance(4_000);
    const again = await mesh.run(one.increment("k", 1, { ttlMs: "1h" }));
    expect(again).toMatchObject({ value: 2n, ttlRemainingMs: 6_000, created: false });
    const lasting = await mesh.run(one.increment("lasting", 1, { ttlMs: 0 }));
    expect(lasting).toMatchObject({ ttlRemainingMs: Number.POSITIVE_INFINITY });
    if (again.kind !== "incremented") throw new Error("it was refused");
    const third = await mesh.run(one.increment("k", 1, { when: again.version }));
    expect(third).toMatchObject({ value: 3n });
  });

  it("is a Set to the near caches, to its own at once and to the others by its event", async () => {
    const { mesh, one, other, valueIn } = start();
    expect(await valueIn(one)).toBe("miss");
    await mesh.run(one.increment("k", 5));
    expect([await valueIn(one), await valueIn(other)]).toEqual([5, 5]);
    expect(other.peek("k")).toEqual({ kind: "hit", value: 5 });
    const events = other.subscribe()[Symbol.asyncIterator]();
    await mesh.settle();
    await mesh.run(one.increment("k", 2));
    expect([one.peek("k"), other.peek("k")]).toEqual([undefined, undefined]);
    expect([await valueIn(one), await valueIn(other)]).toEqual([7, 7]);
    expect(await events.next()).toMatchObject({ value: { kind: "set", target: "key", name: "k" } });
  });

  it("refuses what is no counter, and leaves it", async () => {
    const { mesh } = start();
    const words = mesh.connect().namespace("words", { codec: text() });
    await mesh.run(words.set("k", "one"));
    expect(await mesh.run(words.increment("k"))).toEqual({ kind: "refused", reason: "notACounter" });
    await mesh.run(words.setAbsent("gone"));
    expect(await mesh.run(words.increment("gone"))).toEqual({ kind: "refused", reason: "notACounter" });
    expect(await mesh.run(words.get("k"))).toEqual({ kind: "hit", value: "one" });
  });

  it.each([1.5, Number.NaN, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n, "1"])(
    "takes no %s as delta or initial value",
    async (value) => {
      const { mesh, one } = start();
      const delta = value as number;
      const invalid = (field: string) => ({ reason: "FIELD_INVALID", detail: { field } });
      await expect(mesh.run(one.increment("k", delta))).rejects.toMatchObject(invalid("delta"));
      const initial = one.increment("k", 1, { initial: delta });
      await expect(mesh.run(initial)).rejects.toMatchObject(invalid("initial"));
    },
  );

  it("adds once when its stream ends before the answer, and is answered with its own sum", async () => {
    const { mesh, one, other, valueIn } = start();
    await mesh.run(one.increment("k", 10));
    const [link] = mesh.links;
    if (link === undefined) throw new Error("nobody has connected");
    link.holdResponses = true;
    const increment = vi.spyOn(mesh.store, "increment");
    const unanswered = one.increment("k", 5);
    await mesh.settle();
    await mesh.run(other.increment("k", 100));
    link.reset();
    await mesh.advance(500);
    expect(await unanswered).toMatchObject({ value: 15n });
    // What is sent again says so: a tier where the key has begun again since refuses it.
    const firstEpochs = increment.mock.calls
      .filter(([{ delta }]) => delta === 5n)
      .map(([{ firstEpoch }]) => firstEpoch);
    expect(firstEpochs).toEqual([0n, mesh.store.epoch]);
    expect(await valueIn(one)).toBe(115);
  });

  it("fails when the server was replaced meanwhile, and is not sent to the new one", async () => {
    const { mesh, one, valueIn } = start();
    await mesh.run(one.increment("k"));
    mesh.link.holdResponses = true;
    for (const link of mesh.links) link.holdResponses = true;
    const unanswered = one.increment("k").catch((error: unknown) => error);
    await mesh.settle();
    mesh.restart();
    await mesh.advance(500);
    expect(await unanswered).toMatchObject({ reason: "UNAVAILABLE" });
    expect(await valueIn(one)).toBe("miss");
  });
});
