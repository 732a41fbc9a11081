/** Random histories of calls to an off-heap table, against a plain map, with the whole buffer walked after each. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../../../src/common/random.ts";
import {
  type NewTableEntry,
  type ScanVerdict,
  SET_TIME_SPAN_MS,
  type TableEntry,
} from "../../../../src/store/api/table.ts";
import { createKeyHash } from "../../../../src/store/hashing/shard-hash.ts";
import { BUDGET_MIN_BYTES } from "../../../../src/store/tables/offheap/geometry.ts";
import { createOffheapTable } from "../../../../src/store/tables/offheap/offheap-table.ts";
import { checkInvariants } from "../../../support/offheap-invariants.ts";
import { TestNamespaces } from "../../../support/test-namespaces.ts";

const keyHash = createKeyHash(createSeededRng(1).uint64());
/** Five hashes a namespace, so that chains of equal hashes are common. */
const crowdedHash = (namespace: string, key: string): number => keyHash(namespace, "") + (key.length % 5);

type Step =
  | {
      readonly kind: "put";
      readonly entry: Omit<NewTableEntry, "record" | "value" | "version">;
      readonly length: number;
    }
  | { readonly kind: "find" | "remove" | "markStaled"; readonly namespace: string; readonly key: string }
  | {
      readonly kind: "setLifetimes";
      readonly namespace: string;
      readonly key: string;
      readonly endMs: number;
    }
  | { readonly kind: "scan"; readonly slices: readonly number[]; readonly verdicts: readonly ScanVerdict[] }
  | { readonly kind: "flood"; readonly puts: number; readonly length: number };

const namespace = fc.constantFrom("a", "ab", "orders");
const key = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 40 }).map((one) => `key${one}`) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }) },
);
const endMs = fc.oneof(fc.integer({ min: 0, max: 2 ** 45 }), fc.constant(Infinity));
const length = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 3, arbitrary: fc.integer({ min: 3_900, max: 4_300 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 70_000 }) },
);
const entry = fc.record({
  namespace,
  key,
  sourceVersion: fc.oneof(fc.constant(0n), fc.bigInt({ min: 1n, max: 2n ** 64n - 1n })),
  freshUntilMs: endMs,
  staleUntilMs: endMs,
  setAtMs: fc.integer({ min: 0, max: SET_TIME_SPAN_MS - 1 }),
  absent: fc.boolean(),
  tags: fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 4 }),
  contentType: fc.constantFrom("", "text/plain"),
  contentEncoding: fc.constantFrom("", "gzip", "zstd"),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("put" as const), entry, length }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("find" as const), namespace, key }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom("remove" as const, "markStaled" as const), namespace, key }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("setLifetimes" as const), namespace, key, endMs }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("scan" as const),
      slices: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
      verdicts: fc.array(fc.constantFrom<ScanVerdict>("keep", "keep", "remove", "markStaled"), {
        minLength: 1,
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("flood" as const),
      puts: fc.constantFrom(1, 10, 60, 60, 1_500),
      length: fc.constantFrom(0, 0, 20, 500, 2_000),
    }),
  },
);

interface Kept extends NewTableEntry {
  freshUntilMs: number;
  staleUntilMs: number;
  staled: boolean;
}

const idOf = (namespaceOf: string, keyOf: string): string => `${namespaceOf}:${keyOf}`;

function expectSame(shown: TableEntry, kept: Kept): void {
  expect({
    record: shown.record,
    namespace: shown.namespace,
    key: shown.key,
    version: shown.version,
    sourceVersion: shown.sourceVersion,
    freshUntilMs: shown.freshUntilMs,
    staleUntilMs: shown.staleUntilMs,
    setAtMs: shown.setAtMs,
    staled: shown.staled,
    absent: shown.absent,
    tags: shown.tags,
    contentType: shown.contentType,
    contentEncoding: shown.contentEncoding,
  }).toEqual({ ...kept, value: undefined });
  expect(Buffer.compare(shown.value, kept.value)).toBe(0);
}

/** Bytes that differ from entry to entry and within one. */
function fillOf(bytes: number, version: number): Uint8Array {
  const value = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) value[at] = (at * 131 + version * 17) & 0xff;
  return value;
}

function play(steps: readonly Step[], budgetBytes: number, hashOf: typeof keyHash): void {
  const model = new Map<string, Kept>();
  const held: { readonly value: Uint8Array; readonly was: Buffer }[] = [];
  /** The entry under way, which may be evicted at once. */
  let putting: Kept | undefined;
  const namespaces = new TestNamespaces();
  const table = createOffheapTable({
    budgetBytes,
    namespaces,
    evicted(shown) {
      const id = idOf(shown.namespace, shown.key);
      const kept =
        putting !== undefined && id === idOf(putting.namespace, putting.key) ? putting : model.get(id);
      if (kept === undefined) throw new Error("an entry was evicted that was not there");
      expectSame(shown, kept);
      model.delete(id);
      if (kept === putting) putting = undefined;
    },
  });
  let version = 0;
  const put = (fields: Omit<NewTableEntry, "record" | "value" | "version">, bytes: number): void => {
    version += 1 + (version % 7) * 2 ** 33;
    const staleUntilMs = Math.max(fields.freshUntilMs, fields.staleUntilMs);
    const value = fillOf(bytes, version);
    const kept: Kept = {
      ...fields,
      record: namespaces.recordOf(fields.namespace),
      staleUntilMs: bounded(fields.freshUntilMs, staleUntilMs),
      value,
      version,
      staled: false,
    };
    putting = kept;
    model.delete(idOf(kept.namespace, kept.key));
    const { staled: _, ...given } = kept;
    table.put(given, hashOf(kept.namespace, kept.key));
    if (putting !== undefined) model.set(idOf(kept.namespace, kept.key), kept);
    putting = undefined;
  };
  const find = (namespaceOf: string, keyOf: string): TableEntry | undefined => {
    const shown = table.find(
      namespaces.recordOf(namespaceOf),
      namespaceOf,
      keyOf,
      hashOf(namespaceOf, keyOf),
    );
    const kept = model.get(idOf(namespaceOf, keyOf));
    expect(shown !== undefined).toBe(kept !== undefined);
    if (shown !== undefined && kept !== undefined) {
      expectSame(shown, kept);
      if (held.length < 20) held.push({ value: shown.value, was: Buffer.from(kept.value) });
    }
    return shown;
  };

  const run = (one: Step): void => {
    switch (one.kind) {
      case "put":
        put(one.entry, one.length);
        break;
      case "flood":
        for (let count = 0; count < one.puts; count++) put({ ...plain, key: `flood${count}` }, one.length);
        break;
      case "scan": {
        const seen = new Set<string>();
        const before = new Set(model.keys());
        let position = table.scanStart();
        for (let slice = 0; position > 0; slice++) {
          position = table.scan(position, one.slices[slice % one.slices.length] ?? 1, (shown) => {
            const id = idOf(shown.namespace, shown.key);
            const kept = model.get(id);
            if (kept === undefined) throw new Error("an entry was scanned that is not there");
            expectSame(shown, kept);
            seen.add(id);
            const verdict = one.verdicts[seen.size % one.verdicts.length] ?? "keep";
            if (verdict === "remove") model.delete(id);
            else if (verdict === "markStaled") kept.staled = true;
            return verdict;
          });
          const key = `scan${slice}`;
          put({ ...plain, key }, 50);
          before.delete(idOf(plain.namespace, key));
        }
        for (const id of before) if (model.has(id)) expect(seen.has(id)).toBe(true);
        break;
      }
      default: {
        const shown = find(one.namespace, one.key);
        const kept = model.get(idOf(one.namespace, one.key));
        if (shown === undefined || kept === undefined) break;
        if (one.kind === "remove") {
          table.remove(shown);
          model.delete(idOf(one.namespace, one.key));
        } else if (one.kind === "markStaled") {
          table.markStaled(shown);
          kept.staled = true;
        } else if (one.kind === "setLifetimes") {
          table.setLifetimes(shown, one.endMs, one.endMs + 5);
          kept.freshUntilMs = one.endMs;
          kept.staleUntilMs = one.endMs + 5;
        }
      }
    }
  };
  for (const one of steps) {
    run(one);
    checkInvariants(table, hashOf, namespaces);
    expect(table.entryCount).toBe(model.size);
  }
  namespaces.check(model.values(), table.bytes);
  for (const kept of [...model.values()]) find(kept.namespace, kept.key);
  for (const { value, was } of held) expect(Buffer.compare(value, was)).toBe(0);
}

/** Stale windows are at most a year; a table keeps up to 34 years of them. */
const bounded = (freshUntilMs: number, staleUntilMs: number): number =>
  staleUntilMs === Infinity ? Infinity : Math.min(staleUntilMs, freshUntilMs + 2 ** 39);

const plain = {
  namespace: "a",
  sourceVersion: 0n,
  freshUntilMs: Infinity,
  staleUntilMs: Infinity,
  setAtMs: 7,
  absent: false,
  tags: [],
  contentType: "",
  contentEncoding: "",
};

describe("OffheapTable under random histories", () => {
  it.each([
    ["a budget of 64 KiB", BUDGET_MIN_BYTES, keyHash],
    ["a budget of 1 MiB", 2 ** 20, keyHash],
    ["many equal hashes", BUDGET_MIN_BYTES, crowdedHash],
  ])(
    "keeps what a map keeps, and its buffer whole, with %s",
    { timeout: 300_000 },
    (_, budgetBytes, hashOf) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) =>
          play(steps, budgetBytes, hashOf),
        ),
        { numRuns: 150 },
      );
    },
  );
});
