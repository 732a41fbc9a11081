/** The options by which `set` and `incr` do something only where an entry is, or is not. */
import { type Command, Option } from "commander";
import { uint64Option } from "./options.ts";

export interface ConditionOptions {
  readonly ifAbsent?: true;
  readonly ifPresent?: true;
  readonly ifVersion?: bigint;
  readonly ifEpoch?: bigint;
}

/** `versioned`: which entry must have the version. */
export function addConditionOptions(command: Command, versioned: string): Command {
  return command
    .optionsGroup("Conditions:")
    .addOption(
      new Option("--if-absent", "only if there is no fresh entry").conflicts(["ifPresent", "ifVersion"]),
    )
    .addOption(new Option("--if-present", "only if there is a fresh entry").conflicts("ifVersion"))
    .addOption(uint64Option("--if-version <version>", `only if ${versioned} has this version`))
    .addOption(uint64Option("--if-epoch <epoch>", "the epoch in which that version was read"));
}

/** As the requests have it. */
type EntryCondition =
  | { readonly case: "ifAbsent" | "ifPresent"; readonly value: true }
  | { readonly case: "ifVersion"; readonly value: bigint }
  | { readonly case: undefined };

export function toCondition({ ifAbsent, ifPresent, ifVersion }: ConditionOptions): EntryCondition {
  if (ifAbsent) return { case: "ifAbsent", value: true };
  if (ifPresent) return { case: "ifPresent", value: true };
  if (ifVersion !== undefined) return { case: "ifVersion", value: ifVersion };
  return { case: undefined };
}
