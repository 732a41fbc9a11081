/**
 * Random commands for a store. They use few keys, tags and times, so that they often meet, and number tokens
 * and cursors.
 */
import * as fc from "fast-check";

export const namespaces = ["n", "m"] as const;
export const keys = ["p/1", "p/2", "p/2/x", "q/1", "ключ"] as const;
export const tags = ["t", "u", "тег"] as const;
export const prefixes = ["p/", "p/2", "q", "ключ", "z"] as const;

interface On {
  readonly namespace: string;
  readonly key: string;
}

interface Lifetimes {
  readonly ttlMs: number;
  readonly staleMs: number;
}

/** `pick` chooses one of those that exist at that time: modulo their number. */
export type StoreCommand =
  /** The command to which all others shrink. */
  | { readonly do: "nothing" }
  | (On & {
      readonly do: "get";
      readonly allowStale: boolean;
      readonly known: "nothing" | "version" | "versionOfNoEpoch" | "versionOfAnotherEpoch";
    })
  | (On &
      Lifetimes & {
        readonly do: "set";
        /** A number stands for bytes that are no counter, and 0 for no value; text for itself. */
        readonly value: number | string;
        readonly tags: readonly string[];
        readonly sourceVersion: bigint;
        readonly condition: "always" | "ifAbsent" | "ifPresent" | "ifVersion" | "badEpoch" | "lease";
        readonly pick: number;
        readonly requestId: bigint;
      })
  | (On & Lifetimes & { readonly do: "touch" })
  | (On &
      Lifetimes & {
        readonly do: "increment";
        readonly delta: bigint;
        readonly initial: bigint;
        readonly condition: "always" | "ifAbsent" | "ifPresent" | "ifVersion" | "badEpoch";
        readonly pick: number;
        readonly requestId: bigint;
      })
  | {
      readonly do: "invalidateKeys";
      readonly namespace: string;
      readonly keys: readonly string[];
      readonly soft: boolean;
      readonly sourceVersion: bigint;
    }
  | {
      readonly do: "invalidateTags";
      readonly namespace: string;
      readonly tags: readonly string[];
      readonly soft: boolean;
    }
  | {
      readonly do: "invalidatePrefix";
      readonly namespace: string;
      readonly prefix: string | undefined;
      readonly soft: boolean;
    }
  | (On & { readonly do: "lease"; readonly waitMs: number; readonly leaseMs: number })
  | { readonly do: "release" | "cancel"; readonly pick: number }
  | { readonly do: "advance"; readonly byMs: number }
  | { readonly do: "maintain"; readonly maxEntries: number }
  | { readonly do: "subscribe"; readonly namespace: string; readonly prefixes: readonly string[] }
  | { readonly do: "resume"; readonly pick: number }
  | { readonly do: "read"; readonly pick: number; readonly maxEvents: number };

/** Counters, and what is nearly one. */
const COUNTERS = ["0", "7", "-7", "9223372036854775807", "-9223372036854775808", "07", "-0", "1.0", " 1"];

const namespace = fc.constantFrom(...namespaces);
const key = fc.constantFrom(...keys);
const soft = fc.boolean();
const pick = fc.nat({ max: 1_000 });
const someTags = fc.subarray([...tags]);
const sourceVersion = fc.constantFrom(0n, 0n, 1n, 2n, 3n, 4n);
const lifetimes = fc.constantFrom(
  { ttlMs: 0, staleMs: 0 },
  { ttlMs: 1, staleMs: 0 },
  { ttlMs: 10, staleMs: 0 },
  { ttlMs: 10, staleMs: 20 },
  { ttlMs: 100, staleMs: 1_000 },
  { ttlMs: 30_000, staleMs: 30_000 },
);

const command: fc.Arbitrary<StoreCommand> = fc.oneof(
  { withCrossShrink: true },
  { weight: 0, arbitrary: fc.constant<StoreCommand>({ do: "nothing" }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("get"),
      namespace,
      key,
      allowStale: fc.boolean(),
      known: fc.constantFrom("nothing", "nothing", "version", "versionOfNoEpoch", "versionOfAnotherEpoch"),
    }),
  },
  {
    weight: 10,
    arbitrary: fc
      .record({
        do: fc.constant("set"),
        namespace,
        key,
        value: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(...COUNTERS)),
        tags: someTags,
        sourceVersion,
        condition: fc.constantFrom(
          "always",
          "always",
          "ifAbsent",
          "ifPresent",
          "ifVersion",
          "badEpoch",
          "lease",
          "lease",
        ),
        pick,
        requestId: fc.constantFrom(0n, 0n, 0n, 7n, 8n),
        lifetimes,
      })
      .map(({ lifetimes, ...set }) => ({ ...set, ...lifetimes })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ do: fc.constant("touch"), namespace, key, lifetimes })
      .map(({ lifetimes, ...touch }) => ({ ...touch, ...lifetimes })),
  },
  {
    weight: 6,
    arbitrary: fc
      .record({
        do: fc.constant("increment"),
        namespace,
        key,
        delta: fc.constantFrom(0n, 1n, 1n, 5n, -3n, 2n ** 62n, -(2n ** 62n)),
        initial: fc.constantFrom(0n, 0n, 10n, -(2n ** 63n), 2n ** 63n - 1n),
        condition: fc.constantFrom(
          "always",
          "always",
          "always",
          "ifAbsent",
          "ifPresent",
          "ifVersion",
          "badEpoch",
        ),
        pick,
        requestId: fc.constantFrom(0n, 0n, 0n, 7n, 8n),
        lifetimes,
      })
      .map(({ lifetimes, ...increment }) => ({ ...increment, ...lifetimes })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        do: fc.constant("invalidateKeys"),
        namespace,
        keys: fc.array(key, { minLength: 1, maxLength: 4 }),
        soft,
        sourceVersion,
      })
      .map((all) => (all.soft ? { ...all, sourceVersion: 0n } : all)),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("invalidateTags"),
      namespace,
      tags: fc.array(fc.constantFrom(...tags), { minLength: 1, maxLength: 3 }),
      soft,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("invalidatePrefix"),
      namespace,
      prefix: fc.constantFrom(...prefixes, undefined),
      soft,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("lease"),
      namespace,
      key,
      waitMs: fc.constantFrom(0, 5, 20, 500),
      leaseMs: fc.constantFrom(1, 10, 50, 5_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("release", "cancel"), pick }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("advance"),
      byMs: fc.constantFrom(0, 1, 1, 4, 5, 9, 10, 20, 30, 1_000, 5_000, 29_999, 60_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("maintain"), maxEntries: fc.constantFrom(0, 1, 2, 100) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("subscribe"), namespace, prefixes: fc.subarray([...prefixes]) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resume"), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("read"), pick, maxEvents: fc.constantFrom(1, 2, 5, 1_000) }),
  },
);

export const commandLists = (length: number): fc.Arbitrary<StoreCommand[]> =>
  fc.array(command, { minLength: length, maxLength: length, size: "max" });
