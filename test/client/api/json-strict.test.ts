/** C5: what JSON would change is refused by its path where `json` is strict, and never by its value. */
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { lostInJson } from "../../../src/client/api/json-form.ts";
import { type CacheError, json } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

class Account {
  readonly name = "Ada";
}

const holed = new Array(2);
holed[0] = 1;
const keyed = { [Symbol("s")]: 1 };

afterEach(() => {
  vi.restoreAllMocks();
});

const LOST: [string, unknown][] = [
  ["$.list[3].at is an instance of Date", { list: [0, 1, 2, { at: new Date(0) }] }],
  ["$ is an instance of Map", new Map([["a", 1]])],
  ["$.tags is an instance of Set", { tags: new Set(["a"]) }],
  ["$.owner is an instance of Account", { owner: new Account() }],
  ["$.data is an instance of Uint8Array", { data: new Uint8Array(1) }],
  ["$[0] is no finite number", [Number.NaN]],
  ["$.a is no finite number", { a: Number.NEGATIVE_INFINITY }],
  ["$.a is undefined", { a: undefined }],
  ["$[1] is undefined", holed],
  ["$.a is a function", { a: () => 1 }],
  ["$.a is a symbol", { a: Symbol("s") }],
  ["$ has a symbol as a property", keyed],
  ["$.a has a toJSON()", { a: { toJSON: () => 1 } }],
  ["$[...].at is an instance of Date", { "ann@example.org": { at: new Date(0) } }],
];

describe("C5: json({ strict: true })", () => {
  it.each(LOST)("refuses with the path: %s", async (why, value) => {
    const { mesh, strict } = await start();
    const error = await mesh.run(strict.set("k", value)).catch((caught: CacheError) => caught);
    expect(error).toMatchObject({
      reason: "CODEC",
      message: `the json codec of namespace strict cannot encode a value: ${why}`,
      detail: { namespace: "strict", codec: "json" },
    });
  });

  it.each(LOST)("gives the loaded value to its callers and warns with the path: %s", async (why, value) => {
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const { mesh, strict } = await start();
    expect(await mesh.run(strict.getOrLoad("k", () => value))).toBe(value);
    expect(warning).toHaveBeenCalledOnce();
    expect(String(warning.mock.calls[0]?.[0])).toContain(why);
  });

  it("takes every value that comes back as it is", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        expect(lostInJson(value)).toBeUndefined();
      }),
    );
    const bare = Object.assign(Object.create(null), { a: -0 });
    expect(lostInJson(bare)).toBeUndefined();
  });

  it("refuses exactly what would not come back equal", () => {
    const leaf = fc.oneof(fc.jsonValue(), fc.constantFrom(undefined, Number.NaN, new Date(0), new Map(), 1));
    const any = fc.oneof(leaf, fc.array(leaf), fc.dictionary(fc.string(), leaf, { noNullPrototype: true }));
    fc.assert(
      fc.property(any, (value) => {
        const text = JSON.stringify(value);
        const lost = lostInJson(value) !== undefined;
        if (text === undefined) expect(lost).toBe(true);
        else if (!lost) expect(JSON.parse(text)).toStrictEqual(withoutMinusZero(value));
        else expect(JSON.parse(text)).not.toStrictEqual(withoutMinusZero(value));
      }),
    );
  });

  it("names the last steps of a deep path", () => {
    let value: unknown = new Date(0);
    for (let depth = 0; depth < 100_000; depth += 1) value = [value];
    expect(lostInJson(value)).toBe(`$...${"[0]".repeat(12)} is an instance of Date`);
  });
});

function withoutMinusZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(withoutMinusZero);
  const isPlain =
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withoutMinusZero(part)]));
}

describe("C5: json()", () => {
  it("is not strict, wherever the process runs", async () => {
    const { mesh, lax } = await start();
    for (const environment of ["production", "development", undefined]) {
      vi.stubEnv("NODE_ENV", environment);
      expect(await mesh.run(lax.set("k", { at: new Date(0) }))).toMatchObject({ kind: "stored" });
    }
    vi.unstubAllEnvs();
  });

  it("refuses an option that is none", () => {
    expect(() => json({ strct: true } as never)).toThrow("strct is no option; did you mean strict?");
    expect(() => json({ strict: "yes" as never })).toThrow("strict must be true or false");
  });
});

async function start() {
  const mesh = new Mesh();
  const cache = mesh.connect();
  const strict = cache.namespace("strict", { codec: json<unknown>({ strict: true }) });
  const lax = cache.namespace("lax", { codec: json<unknown>() });
  await mesh.settle();
  return { mesh, strict, lax };
}
