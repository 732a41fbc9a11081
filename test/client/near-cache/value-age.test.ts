/** `entry().ageMs`: how long ago the value was set, wherever it comes from, and whatever has happened to the copy. */
import { describe, expect, it } from "vitest";
import { absent, json, type NamespaceOptions } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

async function start(options: Partial<NamespaceOptions<string>> = {}) {
  const mesh = new Mesh();
  const [writes, reads] = [1, 2].map(() =>
    mesh.connect().namespace("users", { codec: json<string>(), ttlJitter: 0, ...options }),
  );
  if (writes === undefined || reads === undefined) throw new Error("there are two");
  await mesh.settle();
  const agesOf = async (...[key, options]: Parameters<typeof reads.entry>) => {
    const entry = await mesh.run(reads.entry(key, options));
    if (entry.kind === "miss") throw new Error("there is no entry");
    return { source: entry.source, ageMs: entry.ageMs, copyAgeMs: entry.copyAgeMs };
  };
  return { mesh, writes, reads, agesOf };
}

describe("the value's age, not the copy's", () => {
  it("counts from the Set: on the server first, then in the near cache as well", async () => {
    const { mesh, writes, agesOf } = await start();
    await mesh.run(writes.set("k", "v", { ttlMs: "1h" }));
    await mesh.advance(20_000);
    expect(await agesOf("k")).toEqual({ source: "remote", ageMs: 20_000, copyAgeMs: 0 });
    await mesh.advance(3_000);
    expect(await agesOf("k")).toEqual({ source: "near", ageMs: 23_000, copyAgeMs: 3_000 });
    expect(await agesOf("k", { maxStalenessMs: 0 })).toEqual({
      source: "remote",
      ageMs: 23_000,
      copyAgeMs: 0,
    });
  });

  it("counts from the Set of this process too, and a new value begins at 0", async () => {
    const { mesh, reads, agesOf } = await start();
    await mesh.run(reads.set("k", "v"));
    await mesh.advance(2_000);
    expect(await agesOf("k")).toEqual({ source: "near", ageMs: 2_000, copyAgeMs: 2_000 });
    await mesh.run(reads.set("k", "v"));
    expect(await agesOf("k")).toMatchObject({ ageMs: 0 });
  });

  it("is that of a record which is absent at the source, too", async () => {
    const { mesh, writes, agesOf } = await start();
    await mesh.run(writes.setAbsent("k", { ttlMs: "1h" }));
    await mesh.advance(4_000);
    expect(await agesOf("k")).toMatchObject({ source: "remote", ageMs: 4_000 });
  });

  it("goes on through a Touch, and through the confirmation of a copy", async () => {
    const { mesh, writes, agesOf } = await start();
    await mesh.run(writes.set("k", "v", { ttlMs: "30s" }));
    await mesh.advance(10_000);
    expect(await agesOf("k")).toMatchObject({ source: "remote", ageMs: 10_000 });
    await mesh.run(writes.touch("k", { ttlMs: "1h" }));
    await mesh.advance(40_000);
    expect(await agesOf("k")).toEqual({ source: "remote", ageMs: 50_000, copyAgeMs: 0 });
    await mesh.advance(1_000);
    expect(await agesOf("k")).toEqual({ source: "near", ageMs: 51_000, copyAgeMs: 1_000 });
  });

  it("goes on through the end of the TTL and through a soft invalidation", async () => {
    const { mesh, writes, agesOf } = await start();
    await mesh.run(writes.set("ended", "v", { ttlMs: "5s", staleMs: "1h" }));
    await mesh.run(writes.set("soft", "v", { ttlMs: "1h" }));
    await mesh.advance(8_000);
    await mesh.run(writes.invalidate({ keys: ["soft"] }, { soft: true }));
    for (const key of ["ended", "soft"]) {
      expect(await agesOf(key, { allowStale: true })).toMatchObject({ source: "remote", ageMs: 8_000 });
    }
  });

  it("goes on while the host is suspended", async () => {
    const { mesh, writes, agesOf } = await start();
    await mesh.run(writes.set("k", "v", { ttlMs: "1d" }));
    expect(await agesOf("k")).toMatchObject({ ageMs: 0 });
    mesh.clock.suspend(3_600_000);
    await mesh.advance(1_000);
    expect(await agesOf("k")).toMatchObject({ ageMs: 3_601_000 });
  });

  it("is the server's after the wall clock of this host was set back", async () => {
    const { mesh, writes, agesOf } = await start();
    await mesh.run(writes.set("k", "v", { ttlMs: "1d" }));
    await mesh.advance(5_000);
    expect(await agesOf("k")).toMatchObject({ ageMs: 5_000 });
    mesh.clock.setWall(-3_600_000);
    await mesh.advance(2_000);
    expect(await agesOf("k")).toMatchObject({ ageMs: 7_000 });
    await mesh.advance(1_000);
    expect(await agesOf("k")).toMatchObject({ ageMs: 8_000 });
  });

  it("is 0 of what was loaded in this call, and grows from there", async () => {
    const { mesh, agesOf } = await start();
    const loaders = { k: () => "v", none: () => absent() };
    for (const [key, loader] of Object.entries(loaders)) {
      expect(await agesOf(key, { loader })).toEqual({ source: "loader", ageMs: 0, copyAgeMs: 0 });
      await mesh.advance(1_500);
      expect(await agesOf(key, { loader })).toEqual({ source: "near", ageMs: 1_500, copyAgeMs: 1_500 });
    }
  });

  it("is that of a copy which is served in an outage", async () => {
    const { mesh, writes, reads, agesOf } = await start({ outageTtlMs: "1m" });
    await mesh.run(writes.set("k", "v", { ttlMs: "1h" }));
    await mesh.advance(3_000);
    await mesh.run(reads.get("k"));
    mesh.down.add("server:1");
    for (const link of mesh.links) link.reset();
    await mesh.advance(10_000);
    expect(await agesOf("k")).toEqual({ source: "near", ageMs: 13_000, copyAgeMs: 10_000 });
    await mesh.run(reads.getOrLoad("kept", () => "v"));
    await mesh.advance(2_000);
    expect(await agesOf("kept")).toEqual({ source: "near", ageMs: 2_000, copyAgeMs: 2_000 });
  });

  it("is that of the value of another process which a load finds", async () => {
    const { mesh, writes, agesOf } = await start();
    await mesh.run(writes.set("k", "v"));
    await mesh.advance(6_000);
    expect(await agesOf("k", { loader: () => "not called" })).toMatchObject({
      source: "remote",
      ageMs: 6_000,
    });
  });
});
