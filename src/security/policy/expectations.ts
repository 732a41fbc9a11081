/** A table of what a policy is expected to allow and to deny, for the CI of whoever writes it. */
import { z } from "zod";
import { PERMISSIONS, permission } from "../access/access.ts";
import { readYaml } from "../files/yaml-file.ts";
import { maskOf, type Policy } from "./policy.ts";

const permissions = z
  .array(z.enum(PERMISSIONS, { error: `must be of ${PERMISSIONS.join(", ")}` }))
  .default([]);

const expectationsSchema = z.strictObject({
  expect: z
    .array(
      z
        .strictObject({
          as: z.string({ error: "must be a principal" }).min(1, "must be a principal"),
          namespace: z.string({ error: "must be a namespace" }).min(1, "must be a namespace"),
          may: permissions,
          mayNot: permissions,
        })
        .refine(({ may, mayNot }) => may.length + mayNot.length > 0, "needs may or mayNot"),
    )
    .min(1, "must have one at least"),
});

export interface Tested {
  readonly expectations: number;
  /** "line 4: token:orders may not write in orders". */
  readonly failures: readonly string[];
}

/** Throws FIELD_INVALID with all faults of the table and their lines. */
export function testPolicy(policy: Policy, yaml: string): Tested {
  const { value, lineOf } = readYaml("expectations", yaml, expectationsSchema);
  let expectations = 0;
  const failures: string[] = [];
  for (const [index, { as, namespace, may, mayNot }] of value.expect.entries()) {
    const mask = maskOf(policy.entryOf(as), namespace);
    const where = `line ${lineOf(["expect", index])}: ${as}`;
    for (const name of may) {
      expectations += 1;
      if ((mask & permission[name]) === 0) failures.push(`${where} may not ${name} in ${namespace}`);
    }
    for (const name of mayNot) {
      expectations += 1;
      if ((mask & permission[name]) !== 0) failures.push(`${where} may ${name} in ${namespace}`);
    }
  }
  return { expectations, failures };
}
