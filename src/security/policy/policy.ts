/**
 * A policy: which principals may do what in which namespaces, and how much. What it does not allow is denied. A principal is the
 * first entry that matches its name.
 */
import { z } from "zod";
import { describeRange } from "../../common/bound.ts";
import { PERMISSIONS, permission } from "../access/access.ts";
import { readYaml } from "../files/yaml-file.ts";
import { METER_RANGES, type MeterLimits, NO_LIMITS } from "../metering/meter-limits.ts";

/** Text, or the beginning of a text and "*". */
const pattern = (allowed: RegExp, what: string) =>
  z.string({ error: "must be text" }).regex(allowed, `must be ${what}, and may end in "*"`);

const amount = ({ min, max }: { readonly min: number; readonly max: number }) => {
  const error = `must be ${describeRange({ min, max })}`;
  return z.number({ error }).int(error).min(min, error).max(max, error).optional();
};

const limitsSchema = z
  .strictObject({
    operationsPerSecond: amount(METER_RANGES.operationsPerSecond),
    operationsBurst: amount(METER_RANGES.operationsBurst),
    bytesPerSecond: amount(METER_RANGES.bytesPerSecond),
    bytesBurst: amount(METER_RANGES.bytesBurst),
    connectionsMax: amount(METER_RANGES.connectionsMax),
    streamsMax: amount(METER_RANGES.streamsMax),
    heldMaxBytes: amount(METER_RANGES.heldMaxBytes),
  })
  .superRefine(({ operationsPerSecond, operationsBurst, bytesPerSecond, bytesBurst }, { addIssue }) => {
    const lacks = (path: string, rate: string) =>
      addIssue({ code: "custom", path: [path], message: `needs ${rate}` });
    if (operationsBurst !== undefined && operationsPerSecond === undefined)
      lacks("operationsBurst", "operationsPerSecond");
    if (bytesBurst !== undefined && bytesPerSecond === undefined) lacks("bytesBurst", "bytesPerSecond");
  });

const policySchema = z.strictObject({
  principals: z
    .array(
      z.strictObject({
        name: z
          .string({ error: "must be text" })
          .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be 1 to 64 of [A-Za-z0-9._-]"),
        match: z
          .array(pattern(/^(?:\*|[\x21-\x29\x2b-\x7e]{1,2048}\*?)$/, "a principal"))
          .min(1, "must have one at least"),
        limits: limitsSchema.default(NO_LIMITS),
        allow: z.array(
          z.strictObject({
            namespaces: z
              .array(pattern(/^(?:\*|[a-z0-9][a-z0-9._-]{0,254}\*?)$/, "a namespace"))
              .min(1, "must have one at least"),
            may: z
              .array(z.enum(PERMISSIONS, { error: `must be of ${PERMISSIONS.join(", ")}` }))
              .min(1, "must have one at least"),
          }),
        ),
      }),
    )
    .max(10_000, "may have 10,000 at most"),
});

export interface PolicyRule {
  /** In the file, from 1. */
  readonly line: number;
  readonly namespaces: readonly string[];
  readonly mask: number;
}

export interface PolicyEntry {
  readonly name: string;
  readonly line: number;
  readonly match: readonly string[];
  readonly limits: MeterLimits;
  readonly rules: readonly PolicyRule[];
}

export class Policy {
  readonly entries: readonly PolicyEntry[];
  /** The first entry of each principal that is named in full. */
  readonly #named = new Map<string, number>();
  /** The beginnings of names, in the order of their entries. */
  readonly #beginnings: { readonly text: string; readonly at: number }[] = [];

  constructor(entries: readonly PolicyEntry[]) {
    this.entries = entries;
    for (const [at, { match }] of entries.entries())
      for (const one of match) {
        if (one.endsWith("*")) this.#beginnings.push({ text: one.slice(0, -1), at });
        else if (!this.#named.has(one)) this.#named.set(one, at);
      }
  }

  /** Undefined: nothing is allowed to this principal. */
  entryOf(principal: string): PolicyEntry | undefined {
    const named = this.#named.get(principal) ?? Number.POSITIVE_INFINITY;
    const begun = this.#beginnings.find(({ text, at }) => at > named || principal.startsWith(text));
    return this.entries[Math.min(named, begun?.at ?? Number.POSITIVE_INFINITY)];
  }
}

export function maskOf(entry: PolicyEntry | undefined, namespace: string): number {
  return combined(entry, ({ namespaces }) => namespaces.some((one) => isMatch(one, namespace)));
}

/** What is allowed in every namespace whose name begins so: a line must cover all of them by itself. Empty: in all. */
export function maskOfPrefix(entry: PolicyEntry | undefined, namespacePrefix: string): number {
  return combined(entry, ({ namespaces }) =>
    namespaces.some((one) => one.endsWith("*") && isMatch(one, namespacePrefix)),
  );
}

export function maskSomewhere(entry: PolicyEntry | undefined): number {
  return combined(entry, () => true);
}

function combined(entry: PolicyEntry | undefined, counts: (rule: PolicyRule) => boolean): number {
  let mask = 0;
  for (const rule of entry?.rules ?? []) if (counts(rule)) mask |= rule.mask;
  return mask;
}

export function isMatch(patternText: string, text: string): boolean {
  return patternText.endsWith("*") ? text.startsWith(patternText.slice(0, -1)) : patternText === text;
}

/** Throws FIELD_INVALID with all faults and their lines. */
export function readPolicy(field: string, yaml: string): Policy {
  const { value, lineOf } = readYaml(field, yaml, policySchema, {
    list: "principals",
    keys: ["name"],
  });
  const entries = value.principals.map(({ name, match, limits, allow }, at) => ({
    name,
    match,
    limits,
    line: lineOf(["principals", at]),
    rules: allow.map(({ namespaces, may }, index) => ({
      line: lineOf(["principals", at, "allow", index]),
      namespaces,
      mask: may.reduce((mask, one) => mask | permission[one], 0),
    })),
  }));
  return new Policy(entries);
}
