/** `meshcache keys`: lists the keys of a namespace. */
import type { Command } from "commander";
import { CacheService, type KeyInfo } from "../../../gen/meshcache/v1/cache_pb.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { oneLine } from "../output/text.ts";
import { countOption } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";

interface KeysOptions extends NamespaceOptions {
  readonly limit?: number;
}

const PAGE_KEYS = 1_000;
const LIMIT_MAX = 1_000_000_000;

const HELP = `
Examples:
  meshcache keys
  meshcache keys user: --namespace users --limit 100
  meshcache keys session: --json | jq -r 'select(.valueBytes > 100000).key'

The keys come in no order, and may come twice. A server is asked page by page: many pages may have
no key where other namespaces have most of the entries. Needs the permission to inspect.

Exit code 1: there is none.`;

export function addKeysCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("keys")
    .description("list the keys of a namespace")
    .argument("[prefix]", "what the keys begin with", "")
    .addOption(countOption("--limit <n>", "print at most so many keys", [1, LIMIT_MAX]));
  addNamespaceOptions(command, context)
    .addHelpText("after", HELP)
    .action((prefix: string, options: KeysOptions) =>
      runSession(context, options, (session) => listKeys(session, prefix, options)),
    );
}

async function listKeys(
  session: Session,
  prefix: string,
  { namespace, limit = LIMIT_MAX }: KeysOptions,
): Promise<ExitCode> {
  let printed = 0;
  let pageToken = new Uint8Array();
  do {
    const maxKeys = Math.min(PAGE_KEYS, limit - printed);
    const page = await session.call(CacheService.method.listKeys, { namespace, prefix, maxKeys, pageToken });
    for (const info of page.keys.slice(0, limit - printed)) {
      await session.answer(
        () => toJsonKey(namespace, info),
        () => oneLine(info.key),
      );
      printed += 1;
    }
    pageToken = Uint8Array.from(page.nextPageToken);
  } while (pageToken.length > 0 && printed < limit);
  return printed === 0 ? EXIT.negative : EXIT.ok;
}

function toJsonKey(namespace: string, info: KeyInfo): object {
  return {
    namespace,
    key: info.key,
    version: Number(info.version),
    valueBytes: Number(info.valueBytes),
    ttlRemainingMs: Number(info.ttlRemainingMs),
    staleRemainingMs: Number(info.staleRemainingMs),
    stale: info.stale,
    absent: info.absent,
  };
}
