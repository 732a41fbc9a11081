/** Scenario 36: leases that end with their holder's stream, and leases that move with their client to the next one. */
import { describe, expect, it } from "vitest";
import { json, type MeshCache, type Namespace } from "../../src/index.ts";
import { Mesh, type MeshLink } from "../support/mesh.ts";

interface Service {
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
  /** The link that it was connected by first. */
  readonly link: MeshLink;
}

async function join(mesh: Mesh): Promise<Service> {
  const cache = mesh.connect();
  const users = cache.namespace("users", { codec: json<string>(), ttlMs: 60_000, ttlJitter: 0 });
  await mesh.settle();
  await mesh.run(users.get("warm-up"));
  const link = mesh.links.at(-1);
  if (link === undefined) throw new Error("the client has no link");
  return { cache, users, link };
}

/** A load of "k" that ends when the test says so. */
async function holder(mesh: Mesh) {
  const service = await join(mesh);
  const source = Promise.withResolvers<string>();
  const loaded = service.users.getOrLoad("k", () => source.promise, { hardTimeoutMs: 50_000 });
  await mesh.settle();
  return { ...service, source, loaded };
}

/** A call that waits for the load of another process. */
async function waiter(mesh: Mesh) {
  const { users, cache } = await join(mesh);
  let runs = 0;
  const got = users.getOrLoad("k", () => {
    runs += 1;
    return "loaded by the waiter";
  });
  await mesh.settle();
  return { cache, got, runs: () => runs };
}

const stored = async (mesh: Mesh): Promise<string | undefined> => {
  const { users } = await join(mesh);
  const outcome = await mesh.run(users.get("k"));
  return outcome.kind === "hit" ? outcome.value : undefined;
};

describe("A lease on a stream", () => {
  it("scenario 36: ends with the stream of its holder, and the next waiter loads at once", async () => {
    const mesh = new Mesh();
    const first = await holder(mesh);
    const next = await waiter(mesh);
    expect(next.runs()).toBe(0);
    first.link.reset();
    await mesh.settle();
    expect(next.runs()).toBe(1);
    expect(await mesh.run(next.got)).toBe("loaded by the waiter");
    expect(mesh.store.counters).toMatchObject({ leasesAbandoned: 1, leasesFilled: 1 });
  });

  it("scenario 36: is lost to a holder whose stream has ended: its value is returned and not stored", async () => {
    const mesh = new Mesh();
    const first = await holder(mesh);
    first.link.reset();
    await mesh.advance(2_000, 100);
    first.source.resolve("loaded by the dead");
    expect(await mesh.run(first.loaded)).toBe("loaded by the dead");
    expect(await stored(mesh)).toBeUndefined();
    expect(first.cache.stats().loads.unkeptBy.changed).toBe(1);
  });

  it("scenario 36: goes to whoever asks next, where nobody waits", async () => {
    const mesh = new Mesh();
    const first = await holder(mesh);
    first.link.reset();
    const next = await waiter(mesh);
    expect(await mesh.run(next.got)).toBe("loaded by the waiter");
  });

  it("scenario 36: moves with its client to the stream that replaces the one of a draining server", async () => {
    const mesh = new Mesh();
    const first = await holder(mesh);
    const next = await waiter(mesh);
    first.link.session?.drain();
    await mesh.advance(5_000, 100);
    expect(first.link.over).toBe(true);
    expect(next.runs()).toBe(0);
    first.source.resolve("loaded by the first");
    expect(await mesh.run(next.got)).toBe("loaded by the first");
    expect(await stored(mesh)).toBe("loaded by the first");
    expect(mesh.store.counters).toMatchObject({ leasesAbandoned: 0, leasesFilled: 1 });
  });

  it("scenario 36: moves with its client when the connection is to end for its age", async () => {
    const mesh = new Mesh();
    const first = await holder(mesh);
    first.link.goAway();
    await mesh.advance(5_000, 100);
    expect(first.link.over).toBe(true);
    first.source.resolve("loaded by the first");
    await mesh.run(first.loaded);
    expect(await stored(mesh)).toBe("loaded by the first");
  });

  it("scenario 36: that has moved ends with the stream that it moved to", async () => {
    const mesh = new Mesh();
    const first = await holder(mesh);
    const next = await waiter(mesh);
    first.link.session?.drain();
    await mesh.advance(5_000, 100);
    const moved = mesh.links.at(-1);
    expect(moved).not.toBe(first.link);
    moved?.reset();
    await mesh.settle();
    expect(next.runs()).toBe(1);
  });

  it("scenario 36: waits for nobody who is gone: a waiter whose stream ends is passed over", async () => {
    const mesh = new Mesh();
    const first = await holder(mesh);
    const gone = await join(mesh);
    const lost = gone.users.getOrLoad("k", () => "loaded by the gone", { failOpen: false, waitMs: 1_000 });
    lost.catch(() => undefined);
    await mesh.settle();
    const next = await waiter(mesh);
    mesh.down.add(gone.link.address);
    gone.link.reset();
    first.link.reset();
    await mesh.settle();
    expect(next.runs()).toBe(1);
  });
});
