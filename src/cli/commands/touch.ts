/** `meshcache touch`: gives a fresh entry a new TTL and a new stale time. */
import type { Command } from "commander";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { durationOption, TIME_HELP } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";
import { toJsonStamp } from "./entry.ts";

interface TouchOptions extends NamespaceOptions {
  readonly ttl: number;
  readonly stale: number;
}

const HELP = `
${TIME_HELP}

Examples:
  meshcache touch session:9f3 --ttl 30min
  meshcache touch greeting --ttl 60s --stale 5min

Exit code 1: there is no fresh entry. A stale entry does not become fresh again.`;

export function addTouchCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("touch")
    .description("give a fresh entry a new TTL and stale time, from now")
    .argument("<key>", "key of the entry")
    .addOption(
      durationOption(
        "--ttl <time>",
        "how long the entry is fresh, such as 60s; 0: until it is invalidated or evicted",
      ).makeOptionMandatory(),
    )
    .addOption(
      durationOption("--stale <time>", "how long after that it may be served stale, such as 5min", "0"),
    );
  addNamespaceOptions(command, context)
    .addHelpText("after", HELP)
    .action((key: string, options: TouchOptions) =>
      runSession(context, options, (session) => touch(session, key, options)),
    );
}

async function touch(session: Session, key: string, options: TouchOptions): Promise<ExitCode> {
  const { touched, asOf } = await session.call(CacheService.method.touch, {
    namespace: options.namespace,
    key,
    ttlMs: BigInt(options.ttl),
    staleMs: BigInt(options.stale),
  });
  await session.answer(
    () => ({
      namespace: options.namespace,
      key,
      outcome: touched ? "touched" : "notTouched",
      asOf: toJsonStamp(asOf),
    }),
    () => (touched ? `touched · shard ${asOf?.shard}` : "not touched: there is no fresh entry"),
  );
  return touched ? EXIT.ok : EXIT.negative;
}
