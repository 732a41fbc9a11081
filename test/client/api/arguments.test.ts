/** Any argument of an application is refused before it is sent, or sent, and never disturbs other calls. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytes, type Codec, json, loaded, MeshCache, type Namespace, text } from "../../../src/index.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { countUnhandled, type UnhandledCount } from "../../support/unhandled.ts";

let server: RunningServer;
let cache: MeshCache;
let users: Namespace<unknown>;
let unhandled: UnhandledCount;

beforeAll(async () => {
  unhandled = countUnhandled();
  server = await startServer();
  cache = new MeshCache({ address: server.address, nearCache: false });
  users = cache.namespace("users");
  await users.set("connected", true);
});

afterAll(async () => {
  await cache.close();
  await server.stop();
  expect(unhandled.errors).toEqual([]);
  unhandled.stop();
});

/** Arguments that JavaScript allows and a compiler would not. */
const untyped = <Typed>(value: unknown): Typed => value as Typed;

/** Other calls of the same tick as the one that is tried. */
async function besideGood(bad: () => Promise<unknown>): Promise<PromiseSettledResult<unknown>> {
  const before = [users.get("connected"), users.set("good", 1, { tags: ["t"], sourceVersion: 1n })];
  const tried = Promise.allSettled([bad()]);
  const after = [users.touch("good"), users.invalidate({ keys: ["other"] }), users.getMany(["good", "x"])];
  await Promise.all([...before, ...after]);
  const [result] = await tried;
  return result;
}

const refused = (field: string) => ({
  status: "rejected",
  reason: { name: "CacheError", reason: "FIELD_INVALID", detail: { field, bound: expect.any(String) } },
});

const outOfRange: [string, unknown][] = [
  ["negative", -1n],
  ["too large", 2n ** 64n],
  ["a number", 1],
  ["text", "1"],
  ["NaN", Number.NaN],
];

describe("C1: an invalidation with a source version that is no uint64", () => {
  it.each(outOfRange)("is refused alone: %s", async (_what, sourceVersion) => {
    const result = await besideGood(() =>
      users.invalidate({ keys: ["a"] }, untyped({ sourceVersion: sourceVersion })),
    );
    expect(result).toMatchObject(refused("sourceVersion"));
  });

  it("takes the largest", async () => {
    expect(await users.invalidate({ keys: ["a"] }, { sourceVersion: 2n ** 64n - 1n })).toEqual({
      removed: 0,
    });
  });
});

describe("C2: a set beside other calls of its tick", () => {
  it.each(outOfRange)("is refused alone for its source version: %s", async (_what, sourceVersion) => {
    const result = await besideGood(() => users.set("k", "v", untyped({ sourceVersion: sourceVersion })));
    expect(result).toMatchObject(refused("sourceVersion"));
  });

  /** A message with all of them is larger than the server takes. */
  const MANY_TAGS = Array.from({ length: 40_000 }, (_, at) => `${"t".repeat(100)}${at}`);
  const throws = {
    get ttlMs(): number {
      throw new Error("of the getter");
    },
  };
  it.each<[string, string, (namespace: Namespace<unknown>) => Promise<unknown>]>([
    ["key", "a number", (to) => to.set(untyped(1), "v")],
    ["key", "a lone surrogate", (to) => to.set("\ud800", "v")],
    ["tags", "text", (to) => to.set("k", "v", { tags: untyped("tag") })],
    ["tags", "a hole", (to) => to.set("k", "v", { tags: new Array(1) })],
    ["tags", "more than a message holds", (to) => to.set("k", "v", { tags: MANY_TAGS })],
    ["when", "another word", (to) => to.set("k", "v", { when: untyped("never") })],
    ["when.epoch", "negative", (to) => to.set("k", "v", { when: { epoch: -1n, revision: 1 } })],
    ["when.revision", "a fraction", (to) => to.set("k", "v", { when: { epoch: 1n, revision: 1.5 } })],
    ["ttlMs", "text", (to) => to.set("k", "v", { ttlMs: untyped("60") })],
    ["signal", "an object", (to) => to.set("k", "v", { signal: untyped({ aborted: false }) })],
    ["options", "text", (to) => to.set("k", "v", untyped("60"))],
    ["options", "a getter that throws", (to) => to.set("k", "v", throws)],
    ["options", "a getter that throws", (to) => to.touch("k", throws)],
    ["allowStale", "text", (to) => to.get("k", { allowStale: untyped("no") })],
    ["maxStalenessMs", "NaN", (to) => to.getOrLoad("k", () => 1, { maxStalenessMs: Number.NaN })],
    ["keys", "text", (to) => to.getMany(untyped("ab"))],
    ["key", "a hole", (to) => to.getMany(new Array(2))],
    ["keys", "text", (to) => to.invalidate({ keys: untyped("user:1") })],
    ["target", "two of them", (to) => to.invalidate(untyped({ keys: ["a"], all: true }))],
    ["soft", "text", (to) => to.invalidate({ keys: ["a"] }, { soft: untyped("no") })],
    ["loader", "no function", (to) => to.getOrLoad("k", untyped(undefined))],
    ["sourceVersion", "of a load", (to) => to.getOrLoad("new", () => 1, { sourceVersion: -1n })],
    ["entries", "a number", (to) => to.setMany(untyped([["a", 1], 2]))],
    ["entries", "an object", (to) => to.setMany(untyped({ a: 1 }))],
    ["entries", "text", (to) => to.setMany(untyped("ab"))],
    ["entries", "a key that is a number", (to) => to.setMany(untyped(new Map([[1, 1]])))],
  ])("is refused alone for its %s: %s", async (field, _what, call) => {
    expect(await besideGood(() => call(users))).toMatchObject(refused(field));
  });

  it("sends the lists as they were when it was called", async () => {
    const tags = ["one"];
    const stored = users.set("listed", 1, { tags });
    tags[0] = "\ud800";
    expect(await stored).toMatchObject({ kind: "stored" });
    expect(await users.entry("listed")).toMatchObject({ tags: ["one"] });
  });

  it("reads each of its options once", async () => {
    let reads = 0;
    const options = {
      get when() {
        reads += 1;
        return reads === 1 ? ("absent" as const) : { epoch: -1n, revision: 1 };
      },
    };
    expect(await besideGood(() => users.set("once", 1, options))).toMatchObject({ status: "fulfilled" });
    expect(reads).toBe(1);
  });
});

/** What an asynchronous codec does that fails. */
const rejects = () => untyped<never>(Promise.reject(new Error("of the codec")));
const rejectingThenable = {
  // biome-ignore lint/suspicious/noThenProperty: the fault that is tried
  then(_resolved: unknown, rejected: (error: unknown) => void) {
    rejected(new Error("of the thenable"));
  },
};

let names = 0;
/** A namespace has one codec as long as it is open. */
function anotherName(): string {
  names += 1;
  return `others-${names}`;
}

describe("C2: a value that its codec cannot encode", () => {
  const circular: { self?: unknown } = {};
  circular.self = circular;
  const failed = { status: "rejected", reason: { name: "CacheError", reason: "CODEC" } };

  it.each([
    ["a bigint", 1n],
    ["a cycle", circular],
    ["a symbol", Symbol("s")],
  ])("is refused alone: %s", async (_what, value) => {
    expect(await besideGood(() => users.set("k", value))).toMatchObject(failed);
  });

  it.each<[string, Codec<unknown>, unknown]>([
    ["no text", untyped(text()), 5],
    ["no bytes", untyped(bytes()), 5],
    ["bytes of a detached buffer", untyped(bytes()), detached()],
    ["a codec that returns text", { ...json<unknown>(), encode: () => untyped("v") }, 1],
    ["a codec that returns a promise", { ...json<unknown>(), encode: () => untyped(Promise.resolve()) }, 1],
    ["a codec whose promise rejects", { ...json<unknown>(), encode: rejects }, 1],
    ["a codec that returns a thenable", { ...json<unknown>(), encode: () => untyped(rejectingThenable) }, 1],
  ])("is refused alone: %s", async (_what, codec, value) => {
    const others = cache.namespace(anotherName(), { codec });
    expect(await besideGood(() => others.set("k", value))).toMatchObject(failed);
  });

  class Liar extends Uint8Array {
    override get length(): number {
      return 1;
    }
  }
  it.each<[string, () => Uint8Array]>([
    ["of a class with another length", () => new Liar(Buffer.from("true"))],
    ["shared with other threads", () => new Uint8Array(new SharedArrayBuffer(4)).fill(0x31)],
  ])("sends the bytes that there are: %s", async (_what, encode) => {
    const others = cache.namespace(anotherName(), { codec: { ...untyped<Codec<unknown>>(bytes()), encode } });
    expect(await besideGood(() => others.set("bytes", 1))).toMatchObject({ status: "fulfilled" });
    expect(await others.get("bytes")).toMatchObject({ kind: "hit", value: { length: 4 } });
  });

  it("sends the bytes as they were when it was called", async () => {
    const buffer = new ArrayBuffer(2, { maxByteLength: 2 ** 23 });
    const view = new Uint8Array(buffer).fill(0x31);
    const others = cache.namespace(anotherName(), { codec: { ...json<unknown>(), encode: () => view } });
    const stored = besideGood(() => {
      const set = others.set("grows", 1);
      buffer.resize(2 ** 23);
      return set;
    });
    expect(await stored).toMatchObject({ status: "fulfilled" });
    expect(await others.get("grows")).toEqual({ kind: "hit", value: 11 });
  });
});

describe("C2: a value that its codec cannot decode", () => {
  const failed = { status: "rejected", reason: { name: "CacheError", reason: "CODEC" } };
  const throwing = () => ({
    get part(): unknown {
      throw new Error("of the getter");
    },
  });
  const codecs: [string, Partial<Codec<unknown>>][] = [
    ["its promise rejects", { decode: rejects }],
    ["its promise resolves", { decode: () => Promise.resolve(1) }],
    ["the promise of decodeOwn rejects", { decodeOwn: rejects }],
    ["it returns a thenable", { decode: () => rejectingThenable }],
  ];

  it.each(codecs)("fails alone: %s", async (_what, codec) => {
    const others = cache.namespace(anotherName(), { codec: { ...json<unknown>(), ...codec } });
    await others.set("decoded", 1);
    expect(await besideGood(() => others.get("decoded"))).toMatchObject(failed);
    expect(await besideGood(() => others.getOrLoad("decoded", () => 1))).toMatchObject(failed);
  });

  it("fails alone: a getter of the value throws while it is frozen", async () => {
    await using near = new MeshCache({ address: server.address });
    const others = near.namespace("users", { codec: { ...json<unknown>(), decode: throwing } });
    await users.set("decoded", 1);
    expect(await besideGood(() => others.get("decoded"))).toMatchObject(failed);
    expect(near.stats().connection).toMatchObject({ streams: 1, failures: 0, faults: 0, inFlight: 0 });
  });
});

describe("C2: a loader that gives loaded() a promise", () => {
  it("fails alone, and its rejection is handled", async () => {
    const load = () => users.getOrLoad("promised", () => untyped(loaded(rejects(), {})));
    expect(await besideGood(load)).toMatchObject({ status: "rejected", reason: { name: "TypeError" } });
  });
});

describe("C2: a signal whose own methods throw", () => {
  const fails = () => {
    throw new Error("of the signal");
  };
  const METHODS = ["addEventListener", "removeEventListener", "aborted", "reason", "constructor"];
  const hostileSignal = (name: string, signal: AbortSignal) =>
    name === "constructor" || name.endsWith("Listener")
      ? Object.defineProperty(signal, name, { value: fails })
      : Object.defineProperty(signal, name, { get: fails });
  const CALLS: [string, (signal: AbortSignal) => Promise<unknown>][] = [
    ["get", (signal) => users.get("connected", { signal })],
    ["set", (signal) => users.set("signalled", 1, { signal })],
    ["getOrLoad", (signal) => users.getOrLoad(fresh(), () => 1, { signal })],
    ["sync", (signal) => cache.sync({ signal })],
    ["subscribe", async (signal) => users.subscribe({ signal }).close()],
  ];
  const cases = CALLS.flatMap(([call, run]) => METHODS.map((method) => ({ call, method, run })));

  it.each(cases)("is used without them, or refused alone: $method of $call", async ({ method, run }) => {
    const result = await besideGood(() => run(hostileSignal(method, new AbortController().signal)));
    if (method === "constructor") expect(result).toMatchObject(refused("signal"));
    else expect(result).toMatchObject({ status: "fulfilled" });
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0, inFlight: 0 });
  });

  // Node itself cannot abort a signal without its class.
  const abortable = cases.filter(({ call, method }) => method !== "constructor" && call !== "subscribe");
  it.each(abortable)("cancels without them: $method of $call", async ({ method, run }) => {
    const controller = new AbortController();
    const signal = hostileSignal(method, controller.signal);
    const result = await besideGood(() => {
      const running = run(signal);
      controller.abort();
      return running;
    });
    expect(result).toMatchObject({ reason: { reason: "CANCELLED" } });
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0 });
  });

  it("is refused when it only looks like one", async () => {
    const fake = Object.create(AbortSignal.prototype, { aborted: { value: false } });
    for (const [, run] of CALLS) expect(await besideGood(() => run(fake))).toMatchObject(refused("signal"));
  });
});

function detached(): Uint8Array {
  const view = new Uint8Array(8);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

// ---- Any value in any place --------------------------------------------------------------------------------

const hostile = (): unknown[] => {
  const revoked = Proxy.revocable([], {});
  revoked.revoke();
  const fails = () => {
    throw new Error("of the value");
  };
  const changes = ["a", "b"];
  let reads = 0;
  Object.defineProperty(changes, 1, { get: () => (reads++ === 0 ? "b" : "\ud800") });
  return [
    ...[-1n, 0n, 1n, 2n ** 64n - 1n, 2n ** 64n, -0, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY],
    ...["", "\ud800", "x".repeat(513), "a", Symbol("s"), null, true, false, fails, () => 1],
    ...[
      new Set(["a"]),
      new Map([["a", 1]]),
      new Array(3),
      new Array(300).fill("a"),
      [["a", 1]],
      ["a", "\udc00"],
    ],
    ...[{ epoch: -1n, revision: 1 }, { epoch: 1n, revision: 1 }, { keys: ["a"] }, { all: true, keys: ["a"] }],
    ...[new Proxy({}, { get: fails, ownKeys: fails, has: fails }), revoked.proxy, changes],
    ...[{ toString: fails, valueOf: fails, toJSON: fails, [Symbol.toPrimitive]: fails, length: 1 }],
    ...[{ [Symbol.iterator]: fails }, { length: 2 ** 40 }, Object.create(null), new Date(Number.NaN)],
    ...[detached(), new Uint8Array(new SharedArrayBuffer(4)), Buffer.from("a"), new ArrayBuffer(8)],
  ];
};

const HOSTILE = hostile().length;
const anyValue = fc.oneof(
  fc.nat(HOSTILE - 1).map((index) => () => hostile()[index]),
  fc
    .anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true })
    .map((value) => () => value),
  fc
    .anything({ withTypedArray: true, withNullPrototype: true, withObjectString: true, maxDepth: 1 })
    .map((value) => () => value),
);

type Place = (value: unknown) => Promise<unknown>;
const one = (field: string) => (value: unknown) => untyped<never>({ [field]: value });
const listed = (field: string) => (value: unknown) => untyped<never>({ [field]: ["a", value, "b"] });
const CALL = ["deadlineMs", "signal"];
const READ = [...CALL, "maxStalenessMs", "allowStale"];
const TOUCH = [...CALL, "ttlMs", "staleMs"];
const SET = [...TOUCH, "tags", "sourceVersion", "when"];
const LOAD = [...TOUCH, "tags", "sourceVersion", "maxStalenessMs", "softTimeoutMs", "hardTimeoutMs"];
const LOAD_ONLY = ["waitMs", "failOpen"];
const NAMESPACE = ["codec", "ttlMs", "staleMs", "negativeTtlMs", "ttlJitter", "undecodable", "nearCache"];
const CLIENT = [
  "address",
  "credentials",
  "clientId",
  "preset",
  "nearCache",
  "deadlineMs",
  "leaseMs",
  "pingMs",
];
const CLIENT_BOUNDS = ["inFlightMaxOperations", "inFlightMaxBytes", "connectTimeoutMs", "backoffMinMs"];
const CLIENT_REST = ["backoffMaxMs", "revalidateJitterMs", "revalidateMaxEntries", "telemetry"];

let loads = 0;
const fresh = () => `load ${loads++}`;
const v = (value: unknown) => untyped<never>(value);
/** Uses and closes what a call opened. */
const open = async (value: unknown) => {
  const client = new MeshCache(v(value));
  await client.close({ graceMs: 0 });
};
const openNamespace = async (name: unknown, options: unknown) => {
  const namespace = cache.namespace(v(name), v(options));
  await namespace.set("k", v("v"));
};
const subscribe = async (options: unknown) => users.subscribe(v(options)).close();

const fields = (name: string, options: string[], call: (given: never) => Promise<unknown>) => [
  [`${name} options`, (value: unknown) => call(v(value))] as [string, Place],
  ...options.map((field): [string, Place] => [`${name} ${field}`, (value) => call(one(field)(value))]),
];

const PLACES: [string, Place][] = [
  ["get key", (value) => users.get(v(value))],
  ...fields("get", READ, (options) => users.get("k", options)),
  ["getMany keys", (value) => users.getMany(v(value))],
  ["getMany key", (value) => users.getMany(v(["a", value, "b"]))],
  ...fields("getMany", READ, (options) => users.getMany(["k"], options)),
  ["entry key", (value) => users.entry(v(value))],
  ...fields("entry", READ, (options) => users.entry("k", options)),
  ["getOrLoad key", (value) => users.getOrLoad(v(value), () => 1)],
  ["getOrLoad loader", (value) => users.getOrLoad(fresh(), typeof value === "function" ? () => 1 : v(value))],
  ...fields("getOrLoad", [...LOAD, ...LOAD_ONLY], (options) => users.getOrLoad(fresh(), () => 1, options)),
  ...fields("loaded", SET, (options) => users.getOrLoad(fresh(), () => loaded(1, options))),
  ["set key", (value) => users.set(v(value), 1)],
  ["set value", (value) => users.set("k", value)],
  ["set tag", (value) => users.set("k", 1, listed("tags")(value))],
  ["set epoch", (value) => users.set("k", 1, { when: { epoch: v(value), revision: 1 } })],
  ["set revision", (value) => users.set("k", 1, { when: { epoch: 1n, revision: v(value) } })],
  ...fields("set", SET, (options) => users.set("k", 1, options)),
  ...fields("setAbsent", SET, (options) => users.setAbsent("k", options)),
  ["setMany entries", (value) => users.setMany(v(value))],
  ["setMany entry", (value) => users.setMany(v([["a", 1], value]))],
  ["setMany key", (value) => users.setMany([[v(value), 1]])],
  ["touch key", (value) => users.touch(v(value))],
  ...fields("touch", TOUCH, (options) => users.touch("k", options)),
  ["increment key", (value) => users.increment(v(value))],
  ["increment delta", (value) => users.increment("count", v(value))],
  ["increment epoch", (value) => users.increment("count", 1, { when: { epoch: v(value), revision: 1 } })],
  ...fields("increment", [...TOUCH, "initial", "when"], (options) => users.increment("count", 1, options)),
  ...fields("invalidate target", ["keys", "tags", "prefix", "all"], (target) => users.invalidate(target)),
  ["invalidate key", (value) => users.invalidate(listed("keys")(value))],
  ["invalidate tag", (value) => users.invalidate(listed("tags")(value))],
  ...fields("invalidate", [...CALL, "soft", "sourceVersion"], (options) =>
    users.invalidate({ keys: ["a"] }, options),
  ),
  ...fields("subscribe", ["prefixes", "queueMaxEvents", "signal"], subscribe),
  ["subscribe prefix", (value) => subscribe(listed("prefixes")(value))],
  ["namespace name", (value) => openNamespace(value, undefined)],
  ["namespace options", (value) => openNamespace("users", value)],
  ...NAMESPACE.map((field): [string, Place] => [
    `namespace ${field}`,
    (value) => openNamespace("users", { codec: json(), [field]: value }),
  ]),
  ...["name", "contentType", "encode", "decode", "decodeOwn"].map((field): [string, Place] => [
    `codec ${field}`,
    (value) => openNamespace("users", { codec: { ...json(), [field]: value } }),
  ]),
  ["client options", open],
  ...[...CLIENT, ...CLIENT_BOUNDS, ...CLIENT_REST].map((field): [string, Place] => [
    `client ${field}`,
    (value) => open({ address: "server:1", [field]: value }),
  ]),
  ...fields("sync", CALL, (options) => cache.sync(options)),
  ["close graceMs", (value) => new MeshCache({ address: "server:1" }).close(one("graceMs")(value))],
];

/** The outcome is an error that names its field, or an answer, if the value was legal. */
function expectAnswer(place: string, result: PromiseSettledResult<unknown>): void {
  if (result.status === "fulfilled") return;
  const { reason } = result;
  expect(reason, place).toMatchObject({ name: "CacheError" });
  if (reason.reason === "FIELD_INVALID") expect(reason.detail.field).toBeTypeOf("string");
  else if (reason.reason === "DEADLINE") expect(place).toMatch(/deadlineMs|options/);
  else expect(reason.reason).toBe("CODEC");
}

describe("C1, C2: any value in any place of the public API", () => {
  it.each(PLACES)("is taken or refused, and disturbs no other call: %s", async (place, call) => {
    const tried = async (value: unknown) => expectAnswer(place, await besideGood(async () => call(value)));
    for (const value of hostile()) await tried(value);
    await fc.assert(
      fc.asyncProperty(anyValue, (make) => tried(make())),
      { numRuns: 20 },
    );
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0 });
    expect(unhandled.errors).toEqual([]);
  });
});
