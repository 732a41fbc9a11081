/** `meshcache policy`: explains, tests and prints a policy, without a server. */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { CacheError } from "../../common/errors.ts";
import { namesOf, PERMISSIONS, type Permission, permission } from "../../security/access/access.ts";
import { METER_LIMITS } from "../../security/metering/meter-limits.ts";
import { testPolicy } from "../../security/policy/expectations.ts";
import { isMatch, type Policy, type PolicyEntry, readPolicy } from "../../security/policy/policy.ts";
import { CliError, EXIT, type ExitCode } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import { writeLine } from "../output/terminal.ts";
import { oneLine, plural, toColumns } from "../output/text.ts";
import type { CommandContext } from "../service/session.ts";
import { toQuantity } from "../settings/quantity.ts";

const HELP = `
Examples:
  meshcache policy check --policy policy.yaml --as token:orders --may write --namespace orders
  meshcache policy test expectations.yaml --policy policy.yaml
  meshcache policy print --policy policy.yaml`;

interface PolicyOptions {
  readonly policy: string;
}

interface CheckOptions extends PolicyOptions {
  readonly as: string;
  readonly may: Permission;
  readonly namespace: string;
}

export function addPolicyCommand(program: Command, context: CommandContext): void {
  const policy = program
    .command("policy")
    .description("explain, test and print a policy")
    .addHelpText("after", HELP);
  const named = (command: Command) => command.requiredOption("--policy <file>", "the policy, as YAML");
  named(policy.command("check").description("say whether a principal may do something, and by which line"))
    .requiredOption("--as <principal>", "such as token:orders or spiffe://example.org/orders")
    .addOption(
      new Option("--may <permission>", "what it wants to do").choices(PERMISSIONS).makeOptionMandatory(),
    )
    .requiredOption("--namespace <name>", "where")
    .action((options: CheckOptions) => run(context, () => check(options)));
  named(policy.command("test").description("compare a policy with a table of expectations"))
    .argument("<file>", "the expectations, as YAML")
    .action((file: string, options: PolicyOptions) => run(context, () => test(file, options)));
  named(policy.command("print").description("print the rights of each principal")).action(
    (options: PolicyOptions) => run(context, () => print(options)),
  );
}

interface Answer {
  readonly lines: readonly string[];
  readonly exitCode: ExitCode;
}

async function run({ terminal, finish }: CommandContext, body: () => Answer): Promise<void> {
  try {
    const { lines, exitCode } = body();
    await writeLine(terminal.stdout, lines.map(oneLine).join("\n"));
    finish(exitCode);
  } catch (error) {
    const failure =
      error instanceof CacheError
        ? new CliError(EXIT.usage, "POLICY", error.message, { cause: error })
        : error;
    finish(await reportFailure(failure, terminal, false));
  }
}

function check({ policy: file, as, may, namespace }: CheckOptions): Answer {
  const entry = read(file).entryOf(as);
  if (entry === undefined) return no(`denied: no principal of ${file} matches ${as}`);
  const who = `${as} is ${entry.name} (line ${entry.line})`;
  const rule = entry.rules.find(
    ({ namespaces, mask }) =>
      (mask & permission[may]) !== 0 && namespaces.some((pattern) => isMatch(pattern, namespace)),
  );
  if (rule === undefined) return no(`denied: ${who}, and no line of it allows ${may} in ${namespace}`);
  const limits = limitsOf(entry);
  return {
    lines: [
      `allowed: ${who}, and line ${rule.line} allows ${may} in ${namespace}`,
      ...(limits === "" ? [] : [`limits: ${limits}`]),
    ],
    exitCode: EXIT.ok,
  };
}

function test(file: string, { policy }: PolicyOptions): Answer {
  const { expectations, failures } = testPolicy(read(policy), readText(file));
  const summary = `${plural(expectations, "expectation")}, ${failures.length} not met`;
  return { lines: [...failures, summary], exitCode: failures.length === 0 ? EXIT.ok : EXIT.negative };
}

function print({ policy }: PolicyOptions): Answer {
  const rows = read(policy).entries.flatMap((entry) => {
    const limits = limitsOf(entry);
    return [
      [entry.name, entry.match.join(", "), limits === "" ? "" : `limits: ${limits}`],
      ...entry.rules.map(({ namespaces, mask }) => ["", namespaces.join(", "), namesOf(mask).join(", ")]),
    ];
  });
  return { lines: toColumns(rows), exitCode: EXIT.ok };
}

/** Empty: it has none. */
function limitsOf({ limits }: PolicyEntry): string {
  return METER_LIMITS.flatMap((name) => {
    const limit = limits[name];
    return limit === undefined
      ? []
      : [`${name} ${toQuantity(limit, /^bytes|Bytes$/.test(name) ? "bytes" : "")}`];
  }).join(", ");
}

const no = (line: string): Answer => ({ lines: [line], exitCode: EXIT.negative });

function read(file: string): Policy {
  return readPolicy(file, readText(file));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "error";
    throw new CliError(EXIT.noFile, "NO_FILE", `${file} cannot be read (${code})`, { cause });
  }
}
