/** `meshcache invalidate`: removes entries, or marks them stale, by key, tag, prefix or namespace. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  CacheService,
  InvalidateRequest_Mode,
  type InvalidateRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { EXIT, type ExitCode, usageError } from "../output/exit-codes.ts";
import { plural } from "../output/text.ts";
import { listOption, uint64Option } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";
import { toJsonStamp } from "./entry.ts";

interface InvalidateOptions extends NamespaceOptions {
  readonly key?: readonly string[];
  readonly tag?: readonly string[];
  readonly prefix?: string;
  readonly all?: true;
  readonly soft?: true;
  readonly sourceVersion?: bigint;
}

const EXAMPLES = `
The invalidation is in effect when the command returns. By tag, prefix or namespace, it costs the
same for any number of entries. It also ends the leases on these keys, so that a value which was
loaded before cannot be stored afterwards.

Examples:
  meshcache invalidate --key user:42 --key user:43 --namespace users
  meshcache invalidate --tag tenant:7
  meshcache invalidate --prefix user: --soft
  meshcache invalidate --all --namespace users`;

export function addInvalidateCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("invalidate")
    .description("remove entries, or mark them stale")
    .optionsGroup("Target (one of):")
    .addOption(listOption("--key <key>", "this key; may be repeated"))
    .addOption(listOption("--tag <tag>", "every entry with this tag; may be repeated"))
    .option("--prefix <prefix>", "every key with this prefix")
    .option("--all", "every key of the namespace")
    .optionsGroup("Mode:")
    .option("--soft", "mark them stale: readers that allow stale entries still get them")
    .addOption(
      uint64Option(
        "--source-version <n>",
        "with --key: keep entries whose source version is greater than this",
      ).conflicts(["tag", "prefix", "all", "soft"]),
    );
  addNamespaceOptions(command, context)
    .addHelpText("after", EXAMPLES)
    .action((options: InvalidateOptions) =>
      runSession(context, options, (session) => invalidate(session, options)),
    );
}

async function invalidate(session: Session, options: InvalidateOptions): Promise<ExitCode> {
  const target = toTarget(options);
  const { stamps, removed } = await session.call(CacheService.method.invalidate, {
    namespace: options.namespace,
    target,
    mode: options.soft ? InvalidateRequest_Mode.SOFT : InvalidateRequest_Mode.HARD,
    sourceVersion: options.sourceVersion ?? 0n,
  });
  const became = options.soft ? "stale" : "gone";
  await session.answer(
    () => ({
      namespace: options.namespace,
      outcome: became,
      removed: Number(removed),
      stamps: stamps.map(toJsonStamp),
    }),
    () =>
      target.case === "keys"
        ? `${became} · ${plural(Number(removed), "entry", "entries")} of ${plural(target.value.keys.length, "key")}`
        : `${became} · ${describeTarget(target, options.namespace)} on ${plural(stamps.length, "shard")}`,
  );
  return EXIT.ok;
}

type Target = Extract<
  NonNullable<MessageInitShape<typeof InvalidateRequestSchema>["target"]>,
  { value: unknown }
>;
type KnownTarget =
  | { case: "keys"; value: { keys: string[] } }
  | { case: "tags"; value: { tags: string[] } }
  | Extract<Target, { case: "prefix" | "all" }>;

function toTarget({ key, tag, prefix, all }: InvalidateOptions): KnownTarget {
  const targets: KnownTarget[] = [];
  if (key) targets.push({ case: "keys", value: { keys: [...key] } });
  if (tag) targets.push({ case: "tags", value: { tags: [...tag] } });
  if (prefix !== undefined) targets.push({ case: "prefix", value: prefix });
  if (all) targets.push({ case: "all", value: true });
  const [target] = targets;
  if (target === undefined || targets.length > 1) {
    throw usageError("give one target: --key, --tag, --prefix or --all");
  }
  return target;
}

function describeTarget(target: Exclude<KnownTarget, { case: "keys" }>, namespace: string): string {
  switch (target.case) {
    case "tags":
      return `every entry with ${target.value.tags.length === 1 ? "the tag" : "one of the tags"}`;
    case "prefix":
      return "every key with the prefix";
    case "all":
      return `every key of namespace ${namespace}`;
  }
}
