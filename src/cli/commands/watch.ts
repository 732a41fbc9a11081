/**
 * `meshcache watch`: follows the invalidation stream. A lost connection is resumed with the cursor of the last
 * frame that was printed, so that what was missed is printed too, or the gap is said.
 */

import { setTimeout as delay } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { CacheService, type StreamResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { CacheError } from "../../common/errors.ts";
import { fromServiceError } from "../../rpc/status.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { exitCodeOfSignal } from "../output/failure.ts";
import { countOption, listOption } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";
import { createFramePrinter } from "./watch-frames.ts";

interface WatchOptions extends NamespaceOptions {
  readonly prefix?: readonly string[];
  readonly cursor?: Uint8Array;
  readonly count?: number;
}

const HELP = `
Events go to stdout, everything else to stderr. With --json every frame goes to stdout, those
that a watch can be resumed from with their cursor. A lost connection is resumed where it stood;
when events may be missing, it says so.

Examples:
  meshcache watch
  meshcache watch --namespace users --prefix user: --prefix team:
  meshcache watch --json --cursor "$LAST_CURSOR"`;

const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;

export function addWatchCommand(program: Command, context: CommandContext): void {
  const cursor = new Option("--cursor <base64>", "resume after a frame of an earlier watch --json").argParser(
    (text: string) => {
      const bytes = Buffer.from(text, "base64");
      if (bytes.length === 0)
        throw new InvalidArgumentError("It must be a cursor that watch --json printed.");
      return bytes;
    },
  );
  const command = program
    .command("watch")
    .description("follow what is set and invalidated")
    .addOption(listOption("--prefix <prefix>", "only keys that begin with this; may be repeated"))
    .addOption(cursor)
    .addOption(countOption("--count <n>", "end after so many lines of events", [1, Number.MAX_SAFE_INTEGER]));
  addNamespaceOptions(command, context)
    .addHelpText("after", HELP)
    .action((options: WatchOptions) => runSession(context, options, (session) => watch(session, options)));
}

async function watch(session: Session, options: WatchOptions): Promise<ExitCode> {
  const { interrupted } = session.terminal;
  const printer = createFramePrinter(session, options.namespace, options.count ?? Number.POSITIVE_INFINITY);
  let cursor = options.cursor ?? NO_BYTES;
  let retryMs = RETRY_FIRST_MS;
  while (!interrupted.aborted) {
    try {
      for await (const frame of openStream(session, options, cursor)) {
        await printer.print(frame);
        if (printer.full()) return EXIT.ok;
        // Only after printing: what a cursor stands behind has been seen.
        cursor = resumeFrom(frame, cursor);
        // A server that drains ends sooner without us, and opens a stream again only to say the same.
        if (frame.frame.case === "draining") break;
        if (frame.frame.case !== "opened") retryMs = RETRY_FIRST_MS;
      }
    } catch (error) {
      if (interrupted.aborted) break;
      // Before it was ever open the user waits for an answer, and another try cannot change a refusal.
      if (!printer.opened() || !isPassing(error)) throw error;
    }
    await printer.disconnected();
    await delay(retryMs * (0.5 + Math.random() / 2), undefined, { signal: interrupted }).catch(() => {});
    retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
  }
  return exitCodeOfSignal(interrupted);
}

/** The frames of one connection. Throws a CacheError when it breaks. */
async function* openStream(
  { client, callOptions: { metadata, signal } }: Session,
  { namespace, prefix = [] }: WatchOptions,
  cursor: Uint8Array,
): AsyncGenerator<StreamResponse> {
  const call = client.serverStream(
    CacheService.method.stream,
    { namespace, prefixes: [...prefix], cursor },
    { metadata, signal },
  );
  let failure: CacheError | undefined;
  // Also keeps the error that follows a cancel, when nobody reads any more, from ending the process.
  call.on("error", (error: Parameters<typeof fromServiceError>[0]) => {
    failure = fromServiceError(error);
  });
  try {
    for await (const frame of call) yield frame;
  } catch (error) {
    throw failure ?? error;
  } finally {
    call.cancel();
  }
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof CacheError && ["UNAVAILABLE", "DRAINING", "DEADLINE", "CANCELLED"].includes(error.reason)
  );
}

/** The cursor behind `frame`. Opened does not move one that resumes: the missed events come after it. */
function resumeFrom({ frame }: StreamResponse, cursor: Uint8Array): Uint8Array<ArrayBufferLike> {
  switch (frame.case) {
    case "opened":
      return cursor.length === 0 ? frame.value.cursor : cursor;
    case "events":
    case "progress":
    case "gap":
      return frame.value.cursor;
    default:
      return cursor;
  }
}
