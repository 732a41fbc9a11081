/** The types of codecs, outcomes and loads. `tsc` checks them; running this file proves nothing more. */
import { describe, expectTypeOf, it } from "vitest";
import { type Hit, HitSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import {
  absent,
  type bytes,
  type ClientEvent,
  type ClientOptions,
  type ClientStats,
  type Codec,
  type CompressedOptions,
  type CompressionCounters,
  compressed,
  type Duration,
  type Entry,
  json,
  loaded,
  MeshCache,
  type Namespace,
  type Outcome,
  protobuf,
  type SetOutcome,
  type text,
  type ValueOf,
} from "../../../src/index.ts";

interface User {
  readonly name: string;
}

declare const cache: MeshCache;
declare const users: Namespace<User>;
const user: User = { name: "Ada" };

describe("Types", () => {
  it("a codec decides the type of a namespace's values", () => {
    expectTypeOf<ValueOf<ReturnType<typeof text>>>().toEqualTypeOf<string>();
    expectTypeOf<ValueOf<ReturnType<typeof bytes>>>().toEqualTypeOf<Uint8Array>();
    expectTypeOf(compressed(json<User>(), { minBytes: 1 })).toEqualTypeOf<Codec<User>>();
    expectTypeOf<Parameters<typeof compressed>[1]>().toEqualTypeOf<CompressedOptions | undefined>();
    expectTypeOf<ClientStats["compression"]>().toEqualTypeOf<Readonly<CompressionCounters>>();
    const hits = protobuf(HitSchema);
    expectTypeOf(hits).toEqualTypeOf<Codec<Hit>>();
    const open = () => cache.namespace("users", { codec: json<User>() });
    expectTypeOf(open).returns.toEqualTypeOf<Namespace<User>>();
    const bare = () => cache.namespace("users");
    expectTypeOf(bare).returns.toEqualTypeOf<Namespace<unknown>>();
  });

  it("an outcome has a value only when it is a hit", () => {
    expectTypeOf<Namespace<User>["get"]>().returns.resolves.toEqualTypeOf<Outcome<User>>();
    expectTypeOf<Extract<Outcome<User>, { kind: "hit" }>["value"]>().toEqualTypeOf<User>();
    expectTypeOf<Extract<Outcome<User>, { kind: "miss" | "absent" }>>().not.toHaveProperty("value");
    expectTypeOf<Outcome<User>["kind"]>().toEqualTypeOf<"hit" | "miss" | "absent">();
  });

  it("an entry has a version, an age and a source", () => {
    expectTypeOf<Namespace<User>["entry"]>().returns.resolves.toEqualTypeOf<Entry<User>>();
    expectTypeOf<Entry<User>["source"]>().toEqualTypeOf<"near" | "remote" | "loader">();
    expectTypeOf<Extract<Entry<User>, { kind: "miss" }>>().not.toHaveProperty("version");
  });

  it("a refused Set says why and a stored one has a version", () => {
    expectTypeOf<Namespace<User>["set"]>().returns.resolves.toEqualTypeOf<SetOutcome>();
    expectTypeOf<Extract<SetOutcome, { kind: "refused" }>["reason"]>().toEqualTypeOf<
      "exists" | "absent" | "versionMismatch" | "leaseLost" | "olderSourceVersion"
    >();
    expectTypeOf<Extract<SetOutcome, { kind: "stored" }>>().not.toHaveProperty("reason");
  });

  it("a load gives the value or undefined, and a loader must give the namespace's values", () => {
    expectTypeOf<Namespace<User>["getOrLoad"]>().returns.resolves.toEqualTypeOf<User | undefined>();
    const wellTyped = [
      () => users.getOrLoad("k", () => user),
      () => users.getOrLoad("k", async () => user),
      () => users.getOrLoad("k", () => undefined),
      () => users.getOrLoad("k", () => loaded(user, { tags: ["t"] })),
      () => users.getOrLoad("k", ({ signal }) => (signal.aborted ? absent() : user)),
    ];
    expectTypeOf(wellTyped).items.returns.resolves.toEqualTypeOf<User | undefined>();
    // @ts-expect-error a number is no User
    void (() => users.getOrLoad("k", () => 1));
    // @ts-expect-error neither is it in `loaded`
    void (() => users.getOrLoad("k", () => loaded(1, {})));
    // @ts-expect-error nor in `set`
    void (() => users.set("k", 1));
  });

  it("a loader may return null, as database libraries do, for what its source has not", () => {
    const find = undefined as unknown as (id: string) => Promise<User | null>;
    const findNow = undefined as unknown as () => User | null;
    const wellTyped = [
      () => users.getOrLoad("k", () => find("k")),
      () => users.getOrLoad("k", async () => await find("k")),
      () => users.getOrLoad("k", findNow),
      () => users.getOrLoad("k", () => null),
      () => users.getOrLoad("k", async () => (await find("k")) ?? absent({ ttlMs: "5s" })),
    ];
    expectTypeOf(wellTyped).items.returns.resolves.toEqualTypeOf<User | undefined>();
    const bare = undefined as unknown as Namespace<unknown>;
    const untyped = () => bare.getOrLoad("k", () => find("k"));
    expectTypeOf(untyped).returns.resolves.toEqualTypeOf<User | undefined>();
    const many = () => users.getOrLoadMany(["k"], async () => new Map([["k", await find("k")]]));
    expectTypeOf(many).returns.resolves.toEqualTypeOf<(User | undefined)[]>();
    void (() => users.entry("k", { loader: () => find("k") }));
    const nullable = undefined as unknown as Namespace<User | null>;
    void (() => nullable.getOrLoad("k", () => loaded(null, {})));
    // @ts-expect-error null is no User that could be stored
    void (() => users.getOrLoad("k", () => loaded(null, {})));
    // @ts-expect-error nor in `set`
    void (() => users.set("k", null));
  });

  it("an entry has the age of its value and of its copy, and a miss the second only", async () => {
    const read = () => users.entry("k");
    type Read = Awaited<ReturnType<typeof read>>;
    expectTypeOf<Extract<Read, { kind: "hit" }>["ageMs"]>().toEqualTypeOf<number>();
    expectTypeOf<Extract<Read, { kind: "absent" }>["ageMs"]>().toEqualTypeOf<number>();
    expectTypeOf<Read["copyAgeMs"]>().toEqualTypeOf<number>();
    expectTypeOf<Extract<Read, { kind: "miss" }>>().not.toHaveProperty("ageMs");
  });

  it("a time is a number of milliseconds or a text with a unit", () => {
    const codec = json<User>();
    const valid: Duration[] = [0, 250, "250ms", "30s", "10m", "10min", "1.5h", "7d"];
    void valid;
    void (() => cache.namespace("users", { codec, ttlMs: "10m", staleMs: "1h", failureCooldownMs: "2s" }));
    void (() => new MeshCache({ address: "a:1", deadlineMs: "2s", leaseMs: "5s", pingMs: "1s" }));
    void (() => users.set("k", user, { ttlMs: "10m", deadlineMs: "500ms" }));
    void (() => users.get("k", { maxStalenessMs: "200ms" }));
    void (() => users.getOrLoad("k", () => loaded(user, { ttlMs: "10m" }), { hardTimeoutMs: "5s" }));
    void (() => cache.close({ graceMs: "2s" }));
    // @ts-expect-error no unit: seconds or milliseconds?
    void (() => users.set("k", user, { ttlMs: "10" }));
    // @ts-expect-error no unit that there is
    void (() => users.set("k", user, { ttlMs: "10 minutes" }));
    // @ts-expect-error no number
    void (() => users.set("k", user, { ttlMs: "soon" }));
    // @ts-expect-error a count is no time
    void (() => new MeshCache({ address: "a:1", inFlightMaxOperations: "10m" }));
  });

  it("an event has the fields of its kind, a level, a message and a count", () => {
    expectTypeOf<Parameters<NonNullable<ClientOptions["onEvent"]>>[0]>().toEqualTypeOf<ClientEvent>();
    expectTypeOf<ClientEvent["level"]>().toEqualTypeOf<"info" | "warn" | "error">();
    expectTypeOf<Extract<ClientEvent, { kind: "connected" }>["address"]>().toEqualTypeOf<string>();
    expectTypeOf<Extract<ClientEvent, { kind: "connected" }>>().not.toHaveProperty("namespace");
    expectTypeOf<keyof ClientStats["events"]>().toEqualTypeOf<ClientEvent["kind"]>();
  });

  it("a load of a namespace without a type has that of its loader", () => {
    const bare = undefined as unknown as Namespace<unknown>;
    const loads = [
      () => bare.getOrLoad("k", () => user),
      () => bare.getOrLoad("k", async () => user),
      () => bare.getOrLoad("k", async () => loaded(user, { tags: ["t"] })),
      () => bare.getOrLoad("k", async ({ signal }) => (signal.aborted ? undefined : user)),
    ];
    expectTypeOf(loads).items.returns.resolves.toEqualTypeOf<User | undefined>();
    const many = () => bare.getOrLoadMany(["k"], async () => new Map([["k", user]]));
    expectTypeOf(many).returns.resolves.toEqualTypeOf<(User | undefined)[]>();
  });

  it("a loader of many keys gives a Map or pairs of the namespace's values", () => {
    const wellTyped = [
      () => users.getOrLoadMany(["k"], (missing) => missing.map((key) => [key, user] as const)),
      () => users.getOrLoadMany(["k"], async () => new Map([["k", user]])),
      () => users.getOrLoadMany(["k"], () => new Map([["k", loaded(user, { ttlMs: 1 })]])),
      () => users.getOrLoadMany(["k"], () => Object.entries({ k: user })),
      () => users.getOrLoadMany(["k"], (_missing, { signal }) => [["k", signal.aborted ? absent() : user]]),
    ];
    expectTypeOf(wellTyped).items.returns.resolves.toEqualTypeOf<(User | undefined)[]>();
    // @ts-expect-error a number is no User
    void (() => users.getOrLoadMany(["k"], () => new Map([["k", 1]])));
    // @ts-expect-error an object is neither
    void (() => users.getOrLoadMany(["k"], () => ({ k: user })));
  });

  it("a target is one of four", () => {
    // @ts-expect-error nothing to invalidate
    void (() => users.invalidate({}));
    // @ts-expect-error `all` is true or it is not said
    void (() => users.invalidate({ all: false }));
  });
});
