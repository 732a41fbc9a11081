/** `meshcache incr`: adds to a counter and prints its new value. */
import type { Command } from "commander";
import { CacheService, NotIncremented_Reason } from "../../../gen/meshcache/v1/cache_pb.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { addConditionOptions, type ConditionOptions, toCondition } from "../service/conditions.ts";
import { durationOption, int64Argument, int64Option, TIME_HELP } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";
import { toJsonStamp } from "./entry.ts";

interface IncrOptions extends NamespaceOptions, ConditionOptions {
  readonly initial: bigint;
  readonly ttl: number;
  readonly stale: number;
}

const HELP = `
${TIME_HELP}
A counter that is there keeps its own times.

Examples:
  meshcache incr visits
  meshcache incr stock:42 -3 --if-present
  meshcache incr calls:ada 1 --ttl 1min

Prints the counter. Exit code 1: nothing was added, because of a condition or of what is there.`;

const REASONS: Readonly<Record<number, readonly [code: string, words: string]>> = {
  [NotIncremented_Reason.EXISTS]: ["EXISTS", "there is a fresh entry"],
  [NotIncremented_Reason.ABSENT]: ["ABSENT", "there is no fresh entry"],
  [NotIncremented_Reason.VERSION_MISMATCH]: [
    "VERSION_MISMATCH",
    "the entry has another version, or is not fresh",
  ],
  [NotIncremented_Reason.NOT_A_COUNTER]: [
    "NOT_A_COUNTER",
    "the value is no 64-bit whole number as decimal text",
  ],
  [NotIncremented_Reason.OVERFLOW]: ["OVERFLOW", "the sum has more than 64 bits"],
};

export function addIncrCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("incr")
    .description("add to a counter and print its new value")
    .argument("<key>", "key of the counter")
    .addArgument(int64Argument("[delta]", "what to add; negative: what to subtract", "1"))
    .optionsGroup("A counter that this creates:")
    .addOption(int64Option("--initial <n>", "what it has before the first delta", "0"))
    .addOption(
      durationOption(
        "--ttl <time>",
        "how long it is fresh, such as 60s; 0: until it is invalidated or evicted",
        "0",
      ),
    )
    .addOption(
      durationOption("--stale <time>", "how long after that it may be served stale, such as 5min", "0"),
    );
  addConditionOptions(command, "a fresh entry");
  addNamespaceOptions(command, context)
    .addHelpText("after", HELP)
    .action((key: string, delta: bigint, options: IncrOptions) =>
      runSession(context, options, (session) => incr(session, key, delta, options)),
    );
}

async function incr(session: Session, key: string, delta: bigint, options: IncrOptions): Promise<ExitCode> {
  const { outcome, asOf } = await session.call(CacheService.method.increment, {
    namespace: options.namespace,
    key,
    delta,
    initial: options.initial,
    ttlMs: BigInt(options.ttl),
    staleMs: BigInt(options.stale),
    condition: toCondition(options),
    ifEpoch: options.ifEpoch ?? 0n,
  });
  const about = { namespace: options.namespace, key };
  if (outcome.case === "incremented") {
    const { value, version, ttlRemainingMs, created } = outcome.value;
    await session.answer(
      () => ({
        ...about,
        outcome: "incremented",
        value,
        version: Number(version),
        ttlRemainingMs: Number(ttlRemainingMs),
        created,
        asOf: toJsonStamp(asOf),
      }),
      () => String(value),
    );
    return EXIT.ok;
  }
  const [reason, words] = REASONS[outcome.value?.reason ?? 0] ?? [
    "UNKNOWN",
    "for a reason that this version does not know",
  ];
  await session.answer(
    () => ({ ...about, outcome: "notIncremented", reason, asOf: toJsonStamp(asOf) }),
    () => `not incremented: ${words}`,
  );
  return EXIT.negative;
}
