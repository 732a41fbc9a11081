/** `meshcache lint-cache`: checks the options of methods that say how their responses are cached. */
import type { Command } from "commander";
import { lintMethods } from "../../responses/options/lint.ts";
import type { Problem } from "../../responses/options/method-rules.ts";
import { EXIT } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import { oneLine, plural } from "../output/text.ts";
import { listOption } from "../service/options.ts";
import type { CommandContext } from "../service/session.ts";
import { readDescriptors } from "./descriptors.ts";

interface LintOptions {
  readonly protoPath?: readonly string[];
  readonly json?: true;
}

const HELP = `
Errors are options that name missing fields or methods, break a bound, or cache a method with side effects. Warnings are tags that
no write invalidates, reads that nothing invalidates, and fields of a request that are in no key.

Examples:
  meshcache lint-cache proto/users/v1/users.proto --proto-path proto
  buf build -o users.binpb && meshcache lint-cache users.binpb

Exit code 1: there are errors.`;

export function addLintCacheCommand(program: Command, context: CommandContext): void {
  program
    .command("lint-cache")
    .description("check the options that say how responses of gRPC services are cached")
    .argument("<file>", "a .proto file, or a FileDescriptorSet with all that it imports")
    .addOption(
      listOption("--proto-path <folder>", "where imports of a .proto file are looked for; repeatable"),
    )
    .option("--json", "print one JSON object per problem")
    .addHelpText("after", HELP)
    .action((file: string, options: LintOptions) => lint(context, file, options));
}

async function lint({ terminal, finish }: CommandContext, file: string, options: LintOptions): Promise<void> {
  const json = options.json === true;
  try {
    const { methods } = await readDescriptors(file, options.protoPath ?? []);
    const { methods: count, problems } = lintMethods(methods);
    for (const problem of problems)
      await writeLine(terminal.stdout, json ? toJsonLine({ ...problem }) : toLine(problem));
    const errors = problems.filter(({ severity }) => severity === "error").length;
    const counted = [
      plural(count, "method"),
      plural(errors, "error"),
      plural(problems.length - errors, "warning"),
    ];
    if (!json) await writeLine(terminal.stdout, `${counted[0]} with options: ${counted.slice(1).join(", ")}`);
    finish(errors === 0 ? EXIT.ok : EXIT.negative);
  } catch (error) {
    finish(await reportFailure(error, terminal, json));
  }
}

function toLine({ severity, method, option, text }: Problem): string {
  return oneLine(`${severity}: ${method}: ${option} ${text}`);
}
