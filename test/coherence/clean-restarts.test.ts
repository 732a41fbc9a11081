/** Scenarios 38 and 39: a server that goes on with what it had, and one that only seems to. */
import { describe, expect, it, vi } from "vitest";
import { type ClientOptions, json, type MeshCache, type Namespace } from "../../src/index.ts";
import { Mesh } from "../support/mesh.ts";
import { NAMESPACE } from "../support/scripted-client.ts";

interface Joined {
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
}

/** A client with these keys in its near cache. */
async function join(
  mesh: Mesh,
  keys: readonly string[],
  options: Partial<ClientOptions> = {},
): Promise<Joined> {
  const cache = mesh.connect({ backoffMaxMs: 50, ...options });
  const users = cache.namespace(NAMESPACE, { codec: json<string>() });
  await mesh.settle();
  for (const key of keys) await mesh.run(users.get(key));
  return { cache, users };
}

/** The result of a read, and whether the near cache answered it. */
async function read(
  mesh: Mesh,
  { cache, users }: Joined,
  key: string,
): Promise<[value: string, near: boolean]> {
  const hits = cache.stats().near.hits;
  const outcome = await mesh.run(users.get(key));
  return [outcome.kind === "hit" ? outcome.value : outcome.kind, cache.stats().near.hits > hits];
}

/** Time for every client to connect again. */
const reconnect = (mesh: Mesh): Promise<void> => mesh.advance(500);

function createMesh(): Mesh {
  const mesh = new Mesh({ shards: 2, budgetBytes: 2 ** 21 });
  for (const key of ["a", "b", "c", "d"]) mesh.write(NAMESPACE, key, `${key}1`);
  return mesh;
}

async function restart(mesh: Mesh): Promise<void> {
  expect(mesh.startWith(mesh.stop())).toMatchObject({ kind: "loaded" });
  await reconnect(mesh);
}

describe("a clean restart", () => {
  it("scenario 38: a clean restart leaves all copies as they are, without a gap and without a question", async () => {
    const mesh = createMesh();
    const reader = await join(mesh, ["a", "b", "c", "d"]);
    await restart(mesh);
    for (const key of ["a", "b", "c", "d"]) expect(await read(mesh, reader, key)).toEqual([`${key}1`, true]);
    expect(reader.cache.stats().connection.gaps).toBe(0);
    expect(reader.cache.stats().near.revalidated).toBe(0);
  });

  it("delivers the events that the client had not received, and those that come after it", async () => {
    const mesh = createMesh();
    const reader = await join(mesh, ["a", "b", "c", "d"]);
    mesh.link.hold();
    mesh.write(NAMESPACE, "a", "a2");
    await mesh.settle();
    await restart(mesh);
    expect(await read(mesh, reader, "a")).toEqual(["a2", false]);
    expect(await read(mesh, reader, "b")).toEqual(["b1", true]);
    mesh.write(NAMESPACE, "b", "b2");
    await mesh.settle();
    expect(await read(mesh, reader, "b")).toEqual(["b2", false]);
    expect(await read(mesh, reader, "b")).toEqual(["b2", true]);
    expect(reader.cache.stats().connection.gaps).toBe(0);
  });

  it("goes on for a client that missed some of several", async () => {
    const mesh = createMesh();
    const reader = await join(mesh, ["a", "b"], { leaseMs: 60_000 });
    mesh.down.add("server:1");
    for (let life = 0; life < 3; life++) {
      await restart(mesh);
      mesh.write(NAMESPACE, "a", `a of life ${life}`);
    }
    mesh.down.clear();
    await mesh.advance(2_000);
    expect(await read(mesh, reader, "b")).toEqual(["b1", true]);
    expect(await read(mesh, reader, "a")).toEqual(["a of life 2", false]);
    expect(reader.cache.stats().connection.gaps).toBe(0);
  });

  it("is a gap for a client that missed more of them than a store remembers", async () => {
    const mesh = createMesh();
    const reader = await join(mesh, ["a"], { leaseMs: 60_000 });
    mesh.down.add("server:1");
    for (let life = 0; life < 9; life++) await restart(mesh);
    mesh.down.clear();
    await mesh.advance(2_000);
    expect(reader.cache.stats().connection.gaps).toBe(1);
    expect((await read(mesh, reader, "a"))[0]).toBe("a1");
  });

  it("answers a Set whose answer was lost as the first time", async () => {
    const mesh = createMesh();
    const writer = await join(mesh, []);
    mesh.link.holdResponses = true;
    const set = writer.users.set("e", "e1", { when: "absent" });
    await mesh.settle();
    await restart(mesh);
    expect(await mesh.run(set)).toMatchObject({ kind: "stored" });
  });

  it("is not the store of a Set that was also sent to a later life, which this one does not continue", async () => {
    const mesh = createMesh();
    const writer = await join(mesh, []);
    // To the first life, which does not get it, and to the second, whose answer is lost.
    mesh.link.holdRequests = true;
    const set = writer.users.set("e", "e1", { deadlineMs: 60_000 });
    const failed = expect(set).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    await mesh.settle();
    const copy = mesh.stop();
    mesh.startWith(copy);
    const second = vi.spyOn(mesh.store, "set");
    second.mockImplementation((command) => {
      second.mockRestore();
      mesh.link.holdResponses = true;
      return mesh.store.set(command);
    });
    await reconnect(mesh);
    expect(mesh.link.responses).not.toEqual([]);
    for (const link of mesh.links) link.reset();
    mesh.startWith(copy);
    const third = vi.spyOn(mesh.store, "set");
    await reconnect(mesh);
    await failed;
    expect(third).not.toHaveBeenCalled();
  });

  it("ends every lease: what was loaded under one is returned and not stored", async () => {
    const mesh = createMesh();
    const loader = await join(mesh, []);
    const source = Promise.withResolvers<string>();
    const load = loader.users.getOrLoad("e", () => source.promise);
    await mesh.settle();
    await restart(mesh);
    source.resolve("e1");
    expect(await mesh.run(load)).toBe("e1");
    expect((await mesh.run(loader.users.get("e"))).kind).toBe("miss");
  });

  it("takes the invalidations that were queued while there was no server", async () => {
    const mesh = createMesh();
    const [reader, writer] = [await join(mesh, ["a"]), await join(mesh, [])];
    const snapshot = mesh.stop();
    mesh.down.add("server:1");
    await mesh.settle();
    const invalidated = writer.users.invalidate({ keys: ["a"] }, { deadlineMs: 10_000 });
    await mesh.advance(200);
    mesh.startWith(snapshot);
    mesh.down.clear();
    await mesh.advance(1_000);
    await mesh.run(invalidated);
    expect((await read(mesh, reader, "a"))[0]).toBe("miss");
  });

  it("knows the versions of before in conditions", async () => {
    const mesh = createMesh();
    const writer = await join(mesh, []);
    const entry = await mesh.run(writer.users.entry("a"));
    const version = entry.kind === "hit" ? entry.version : undefined;
    if (version === undefined) throw new Error("the entry has a version");
    await restart(mesh);
    expect(await mesh.run(writer.users.set("a", "a2", { when: version }))).toMatchObject({ kind: "stored" });
    expect(await mesh.run(writer.users.set("a", "a3", { when: version }))).not.toMatchObject({
      kind: "stored",
    });
  });

  it("is a gap for who knows more of the old life than it wrote down", async () => {
    const mesh = createMesh();
    const reader = await join(mesh, ["a", "b"]);
    const snapshot = mesh.stop();
    // The machine was copied: the old life goes on.
    await reconnect(mesh);
    mesh.write(NAMESPACE, "a", "a2");
    await mesh.settle();
    expect((await read(mesh, reader, "a"))[0]).toBe("a2");
    for (const link of mesh.links) link.reset();
    mesh.startWith(snapshot);
    mesh.write(NAMESPACE, "a", "a3");
    await reconnect(mesh);
    expect(reader.cache.stats().connection.gaps).toBe(1);
    expect((await read(mesh, reader, "a"))[0]).toBe("a3");
  });

  it("trusts no copy that is newer than what the old life wrote down", async () => {
    const mesh = new Mesh({ shards: 1, budgetBytes: 2 ** 21 });
    mesh.write(NAMESPACE, "c", "c1");
    const reader = await join(mesh, []);
    const snapshot = mesh.stop();
    await reconnect(mesh);
    // It concerns nothing that the reader hears of, and so its copy is newer than its cursor.
    mesh.write("elsewhere", "x", "x1");
    expect((await read(mesh, reader, "c"))[0]).toBe("c1");
    for (const link of mesh.links) link.reset();
    mesh.startWith(snapshot);
    mesh.write(NAMESPACE, "c", "c2");
    await reconnect(mesh);
    expect((await read(mesh, reader, "c"))[0]).toBe("c2");
  });

  it("scenario 38: a copy of a snapshot is another life: whoever knows the first has a gap, and trusts nothing of it", async () => {
    const mesh = createMesh();
    const [reader, sleeper] = [
      await join(mesh, ["a", "b"]),
      await join(mesh, ["a", "b"], { leaseMs: 60_000 }),
    ];
    const snapshot = mesh.stop();
    mesh.startWith(snapshot);
    const [toReader, toSleeper] = [mesh.links.at(-2), mesh.links.at(-1)];
    expect(toReader).not.toBe(toSleeper);
    await reconnect(mesh);
    mesh.write(NAMESPACE, "a", "a2");
    await mesh.settle();
    expect(await read(mesh, reader, "a")).toEqual(["a2", false]);
    // The server is lost, and somebody starts one with a copy of its first snapshot.
    for (const link of mesh.links) link.reset();
    expect(mesh.startWith(snapshot)).toMatchObject({ kind: "loaded" });
    await reconnect(mesh);
    expect(reader.cache.stats().connection.gaps).toBe(1);
    expect(await read(mesh, reader, "a")).toEqual(["a1", false]);
    // The revision of this write is one that the other life has used for another value.
    mesh.write(NAMESPACE, "a", "a3");
    await mesh.settle();
    expect((await read(mesh, reader, "a"))[0]).toBe("a3");
    expect((await read(mesh, sleeper, "a"))[0]).toBe("a3");
  });
});

describe("a crash after a snapshot was taken", () => {
  it("scenario 39: a crash after a snapshot was taken is a new epoch: every copy is suspect", async () => {
    const mesh = createMesh();
    const reader = await join(mesh, ["a"]);
    await restart(mesh);
    mesh.write(NAMESPACE, "a", "a2");
    mesh.restart();
    await reconnect(mesh);
    expect(mesh.store.predecessors).toEqual([]);
    expect(reader.cache.stats().connection.gaps).toBe(1);
    expect(await read(mesh, reader, "a")).toEqual(["miss", false]);
  });
});
