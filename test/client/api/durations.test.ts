/** Times with a unit at every option that is a time, and loaders that return null. */
import { describe, expect, it } from "vitest";
import { resolveNamespaceOptions } from "../../../src/client/api/namespace-options.ts";
import { resolveClientOptions } from "../../../src/client/api/options.ts";
import { parseDuration } from "../../../src/common/duration.ts";
import { absent, type ClientOptions, json, loaded, type NamespaceOptions } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

describe("parseDuration()", () => {
  it.each([
    ["0ms", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["10m", 600_000],
    ["10min", 600_000],
    ["1.5h", 5_400_000],
    ["7d", 604_800_000],
    ["1 s", 1_000],
    ["0.25s", 250],
  ])("reads %s as %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    "",
    "10",
    "s",
    "-1s",
    "1.0001s",
    "1e3s",
    "10 minutes",
    "10M",
    "1m30s",
    " 1s",
    "9007199254740993ms",
    "∞s",
  ])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

const TIMES = {
  deadlineMs: "3s",
  leaseMs: "10s",
  pingMs: "2s",
  silenceMaxMs: "4s",
  connectTimeoutMs: "1s",
  backoffMinMs: "20ms",
  backoffMaxMs: "1m",
  revalidateJitterMs: "5s",
} as const satisfies {
  readonly [Name in keyof ClientOptions as Name extends `${string}Ms` ? Name : never]: unknown;
};

describe("a time of the client", () => {
  it("may be text with a unit, at every option", () => {
    expect(resolveClientOptions({ address: "a:1", ...TIMES })).toMatchObject({
      deadlineMs: 3_000,
      leaseMs: 10_000,
      pingMs: 2_000,
      silenceMaxMs: 4_000,
      connectTimeoutMs: 1_000,
      backoffMinMs: 20,
      backoffMaxMs: 60_000,
      revalidateJitterMs: 5_000,
    });
  });

  it.each(Object.keys(TIMES))("that is no time is refused by name and range: %s", (name) => {
    for (const wrong of ["10", "soon", "11min", "-1s", "0.5ms"]) {
      const options = { address: "a:1", [name]: wrong } as unknown as ClientOptions;
      expect(() => resolveClientOptions(options)).toThrow(
        expect.objectContaining({
          reason: "FIELD_INVALID",
          detail: {
            field: name,
            bound: expect.stringMatching(/from \d+ to \d+ \(ms\), or a time such as .*"10m"/),
          },
        }),
      );
    }
  });
});

describe("a time of a namespace", () => {
  const codec = json<unknown>();
  const times = {
    ttlMs: "10m",
    staleMs: "1h",
    negativeTtlMs: "5s",
    failureCooldownMs: "2s",
  } as const satisfies {
    readonly [Name in keyof NamespaceOptions<unknown> as Name extends `${string}Ms` ? Name : never]: unknown;
  };
  it("may be text with a unit, at every option", () => {
    expect(resolveNamespaceOptions({ codec, ...times }, { nearCache: undefined })).toMatchObject({
      ttlMs: 600_000,
      staleMs: 3_600_000,
      negativeTtlMs: 5_000,
      failureCooldownMs: 2_000,
    });
  });
});

async function start() {
  const mesh = new Mesh();
  const users = mesh
    .connect()
    .namespace("users", { codec: json<string>(), ttlJitter: 0, negativeTtlMs: "5s" });
  await mesh.settle();
  return { mesh, users };
}

describe("a time of a call", () => {
  it("may be text with a unit: of a Set, a Touch, a read and a load", async () => {
    const { mesh, users } = await start();
    await mesh.run(users.set("k", "v", { ttlMs: "10m", staleMs: "1h", deadlineMs: "1s" }));
    const ttlOf = async () => {
      const entry = await mesh.run(users.entry("k", { maxStalenessMs: "0ms", deadlineMs: "1s" }));
      return entry.kind === "hit" ? entry.ttlRemainingMs : undefined;
    };
    expect(await ttlOf()).toBe(600_000);
    await mesh.run(users.touch("k", { ttlMs: "30s" }));
    expect(await ttlOf()).toBe(30_000);
    const times = {
      hardTimeoutMs: "5s",
      softTimeoutMs: "1s",
      waitMs: "2s",
      deadlineMs: "3s",
      ttlMs: "20s",
    } as const;
    const load = () => loaded("v", { staleMs: "1m" });
    expect(await mesh.run(users.entry("l", { loader: load, ...times }))).toMatchObject({
      ttlRemainingMs: 20_000,
    });
    await mesh.run(users.getOrLoad("m", () => loaded("v", { ttlMs: "1m" })));
    expect(await mesh.run(users.entry("m"))).toMatchObject({ ttlRemainingMs: 60_000 });
  });

  it("that is no time is refused, or keeps a loaded value out of the cache", async () => {
    const { mesh, users } = await start();
    const wrong = "10" as unknown as number;
    const refused = (field: string) => ({ reason: "FIELD_INVALID", detail: { field } });
    for (const name of ["ttlMs", "staleMs", "deadlineMs"]) {
      await expect(mesh.run(users.set("k", "v", { [name]: wrong }))).rejects.toMatchObject(refused(name));
    }
    await expect(mesh.run(users.get("k", { maxStalenessMs: wrong }))).rejects.toMatchObject(
      refused("maxStalenessMs"),
    );
    for (const name of ["softTimeoutMs", "hardTimeoutMs", "waitMs", "deadlineMs", "maxStalenessMs"]) {
      const load = users.getOrLoad("k", () => "v", { [name]: wrong });
      await expect(mesh.run(load)).rejects.toMatchObject(refused(name));
    }
    expect(
      await mesh.run(users.getOrLoad("k", () => loaded("v", { ttlMs: wrong }), { failOpen: true })),
    ).toBe("v");
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "miss" });
  });
});

describe("a loader that returns null", () => {
  it("says that its source has no such record: remembered, and undefined for all callers", async () => {
    const { mesh, users } = await start();
    let loads = 0;
    const find = async (): Promise<string | null> => {
      loads += 1;
      return null;
    };
    const both = Promise.all([users.getOrLoad("k", find), users.getOrLoad("k", find)]);
    expect(await mesh.run(both)).toEqual([undefined, undefined]);
    expect(await mesh.run(users.getOrLoad("k", find))).toBeUndefined();
    expect(loads).toBe(1);
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "absent" });
    await mesh.advance(5_001);
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "miss" });
  });

  it("of many keys says so for each", async () => {
    const { mesh, users } = await start();
    const rows = new Map<string, string | null>([
      ["a", "v"],
      ["b", null],
    ]);
    expect(await mesh.run(users.getOrLoadMany(["a", "b", "c"], () => rows))).toEqual([
      "v",
      undefined,
      undefined,
    ]);
    expect(await mesh.run(users.get("b"))).toEqual({ kind: "absent" });
  });

  it("may store null as a value, where the namespace has it", async () => {
    const mesh = new Mesh();
    const nullable = mesh.connect().namespace("nullable", { codec: json<string | null>() });
    expect(await mesh.run(nullable.getOrLoad("k", () => loaded(null, {})))).toBeNull();
    expect(await mesh.run(nullable.get("k"))).toEqual({ kind: "hit", value: null });
    expect(await mesh.run(nullable.getOrLoad("k", () => absent()))).toBeNull();
  });
});
