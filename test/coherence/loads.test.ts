/** Scenarios 18 to 23, 27 and 29: loads, leases, source versions and retries, through real clients and a real store. */
import { describe, expect, it } from "vitest";
import { json, type MeshCache, type Namespace, type SetOutcome } from "../../src/index.ts";
import { Mesh } from "../support/mesh.ts";

const NAMESPACE = "users";

interface Service {
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
}

async function join(mesh: Mesh, staleMs = 0): Promise<Service> {
  const cache = mesh.connect();
  const users = cache.namespace(NAMESPACE, {
    codec: json<string>(),
    ttlMs: 60_000,
    staleMs,
    ttlJitter: 0,
  });
  await mesh.settle();
  return { cache, users };
}

/** A source that answers when the test says so. */
function slowSource() {
  const loads: ((value: string) => void)[] = [];
  return {
    load: () => new Promise<string>((resolve) => loads.push(resolve)),
    answer: (value: string) => loads.shift()?.(value),
    get running() {
      return loads.length;
    },
  };
}

const storedValue = async (mesh: Mesh, { users }: Service, key = "k"): Promise<string> => {
  const outcome = await mesh.run(users.get(key, { maxStalenessMs: 0 }));
  return outcome.kind === "hit" ? outcome.value : outcome.kind;
};

describe("Loads", () => {
  it("scenario 18: a value that was loaded before an invalidation is returned and not stored", async () => {
    const mesh = new Mesh();
    const [reader, writer] = [await join(mesh), await join(mesh)];
    const source = slowSource();
    const loading = reader.users.getOrLoad("k", source.load);
    await mesh.settle();
    await mesh.run(writer.users.invalidate({ keys: ["k"] }));
    source.answer("old row");
    expect(await mesh.run(loading)).toBe("old row");
    expect(await storedValue(mesh, reader)).toBe("miss");
    expect((await mesh.run(reader.users.get("k"))).kind).toBe("miss");
    expect(reader.cache.stats().loads.loadsUnkept).toBe(1);
  });

  it("scenario 18: a caller from after the invalidation does not join the load from before it", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh);
    const source = slowSource();
    const before = reader.users.getOrLoad("k", source.load);
    await mesh.settle();
    await mesh.run(reader.users.invalidate({ keys: ["k"] }));
    const after = reader.users.getOrLoad("k", source.load);
    await mesh.settle();
    expect(source.running).toBe(2);
    source.answer("old row");
    source.answer("new row");
    expect([await mesh.run(before), await mesh.run(after)]).toEqual(["old row", "new row"]);
    expect(await storedValue(mesh, reader)).toBe("new row");
  });

  it.each([
    ["a tag that the options name", { tags: ["tenant:1"] }],
    ["a prefix of the key", { prefix: "k" }],
    ["the namespace", { all: true } as const],
  ])("scenario 19: %s is invalidated during the load", async (_what, target) => {
    const mesh = new Mesh();
    const [reader, writer] = [await join(mesh), await join(mesh)];
    const source = slowSource();
    const loading = reader.users.getOrLoad("k", source.load, { tags: ["tenant:1"] });
    await mesh.settle();
    await mesh.run(writer.users.invalidate(target));
    source.answer("old row");
    expect(await mesh.run(loading)).toBe("old row");
    expect(await storedValue(mesh, reader)).toBe("miss");
  });

  it("scenario 19: another tag's invalidation leaves the load its lease", async () => {
    const mesh = new Mesh();
    const [reader, writer] = [await join(mesh), await join(mesh)];
    const source = slowSource();
    const loading = reader.users.getOrLoad("k", source.load, { tags: ["tenant:1"] });
    await mesh.settle();
    await mesh.run(writer.users.invalidate({ tags: ["tenant:2"] }));
    source.answer("row");
    await mesh.run(loading);
    expect(await storedValue(mesh, reader)).toBe("row");
  });

  it("scenario 20: a background refresh does not overwrite a newer Set", async () => {
    const mesh = new Mesh();
    const [reader, writer] = [await join(mesh, 300_000), await join(mesh, 300_000)];
    await mesh.run(writer.users.set("k", "first"));
    mesh.clock.leap(60_000);
    await mesh.advance(1_000);
    const source = slowSource();
    expect(await mesh.run(reader.users.getOrLoad("k", source.load))).toBe("first");
    expect(source.running).toBe(1);
    await mesh.run(writer.users.set("k", "newer"));
    source.answer("refreshed too late");
    await mesh.settle();
    expect(await storedValue(mesh, reader)).toBe("newer");
  });

  it("scenario 21: two commits that arrive in the wrong order leave the later one stored", async () => {
    const mesh = new Mesh();
    const [one, two] = [await join(mesh), await join(mesh)];
    await mesh.run(two.users.set("k", "commit 2", { sourceVersion: 2n }));
    expect(await mesh.run(one.users.set("k", "commit 1", { sourceVersion: 1n }))).toEqual({
      kind: "refused",
      reason: "olderSourceVersion",
    });
    expect(await storedValue(mesh, one)).toBe("commit 2");
    // The entry is removed, and its source version is remembered for longer than a slow writer needs.
    await mesh.run(two.users.invalidate({ keys: ["k"] }));
    await mesh.advance(59_000, 1_000);
    expect((await mesh.run(one.users.set("k", "commit 1", { sourceVersion: 1n }))).kind).toBe("refused");
    expect((await mesh.run(one.users.set("k", "commit 2", { sourceVersion: 2n }))).kind).toBe("stored");
  });

  it("scenario 22: a late write by a holder whose lease expired is refused", async () => {
    const mesh = new Mesh();
    const [slow, quick] = [await join(mesh), await join(mesh)];
    const [slowly, quickly] = [slowSource(), slowSource()];
    const late = slow.users.getOrLoad("k", slowly.load, { hardTimeoutMs: 1_000 });
    await mesh.settle();
    const waiting = quick.users.getOrLoad("k", quickly.load);
    await mesh.settle();
    // The slow process is paused: its own timeout does not fire, but its lease expires on the server.
    mesh.clock.leap(3_000);
    mesh.store.maintain(1_000);
    await mesh.settle();
    expect(quickly.running).toBe(1);
    quickly.answer("by the second");
    expect(await mesh.run(waiting)).toBe("by the second");
    slowly.answer("by the first");
    expect(await mesh.run(late)).toBe("by the first");
    expect(await storedValue(mesh, quick)).toBe("by the second");
  });

  it("scenario 23: when a lease holder crashes, one waiter loads the value and all others get it", async () => {
    const mesh = new Mesh();
    const doomed = await join(mesh);
    const lost = slowSource();
    doomed.users.getOrLoad("k", lost.load, { hardTimeoutMs: 2_000 }).catch(() => undefined);
    await mesh.settle();
    const [doomedLink] = mesh.links;
    if (doomedLink !== undefined) doomedLink.blackhole = true;
    const others = [await join(mesh), await join(mesh), await join(mesh)];
    const source = slowSource();
    const waiting = others.map(({ users }) => users.getOrLoad("k", source.load));
    await mesh.advance(3_900, 100);
    expect(source.running).toBe(0);
    await mesh.advance(200, 100);
    expect(source.running).toBe(1);
    source.answer("row");
    expect(await Promise.all(waiting.map((one) => mesh.run(one)))).toEqual(["row", "row", "row"]);
    expect(source.running).toBe(0);
  });

  it("scenario 23: a loader that throws releases its lease at once", async () => {
    const mesh = new Mesh();
    const [one, two] = [await join(mesh), await join(mesh)];
    const failing = Promise.withResolvers<string>();
    const failed = one.users.getOrLoad("k", () => failing.promise);
    await mesh.settle();
    const source = slowSource();
    const waiting = two.users.getOrLoad("k", source.load);
    await mesh.settle();
    failing.reject(new Error("the source is down"));
    await expect(mesh.run(failed)).rejects.toThrow("the source is down");
    await mesh.settle();
    expect(source.running).toBe(1);
    source.answer("row");
    expect(await mesh.run(waiting)).toBe("row");
  });

  it("scenario 27: a pruned tag fence removes tagged entries and voids loads, and never keeps one", async () => {
    const mesh = new Mesh({ tagFencesMax: 4 });
    const [reader, writer] = [await join(mesh), await join(mesh)];
    await mesh.run(writer.users.set("tagged", "v", { tags: ["t"] }));
    await mesh.run(writer.users.set("plain", "v"));
    const source = slowSource();
    const loading = reader.users.getOrLoad("loaded", source.load, { tags: ["t"] });
    await mesh.settle();
    await mesh.run(writer.users.invalidate({ tags: ["t"] }));
    // Newer fences push out the fence of "t". The floor takes its place.
    for (let index = 0; index < 8; index += 1) {
      await mesh.run(writer.users.invalidate({ tags: [`other:${index}`] }));
    }
    expect(mesh.store.counters.tagFencesPruned).toBeGreaterThan(0);
    source.answer("old row");
    expect(await mesh.run(loading)).toBe("old row");
    expect(await storedValue(mesh, reader, "loaded")).toBe("miss");
    expect(await storedValue(mesh, reader, "tagged")).toBe("miss");
    expect(await storedValue(mesh, reader, "plain")).toBe("v");
  });

  it("scenario 29: a retried conditional Set whose answer was lost gets the same answer", async () => {
    const mesh = new Mesh();
    const { cache, users } = await join(mesh);
    mesh.link.holdResponses = true;
    const setting = users.set("k", "v", { when: "absent" });
    await mesh.settle();
    expect(mesh.store.counters.sets).toBe(1);
    // The answer is lost with its stream.
    mesh.link.reset();
    await mesh.advance(100);
    const outcome: SetOutcome = await mesh.run(setting);
    expect(outcome.kind).toBe("stored");
    expect(mesh.store.counters.sets).toBe(1);
    expect(cache.stats().connection.retries).toBe(1);
  });

  it("scenario 29: a Set is not retried on a store that does not know its request id", async () => {
    const mesh = new Mesh();
    const { users } = await join(mesh);
    mesh.link.holdResponses = true;
    const setting = users.set("k", "v");
    const failed = setting.then(
      () => "stored",
      (error) => error.reason,
    );
    await mesh.settle();
    mesh.restart();
    await mesh.advance(100);
    expect(await failed).toBe("UNAVAILABLE");
    expect(mesh.store.counters.sets).toBe(0);
    // A write without an answer leaves no cached entry.
    expect((await mesh.run(users.get("k"))).kind).toBe("miss");
  });
});
