/** `meshcache serve`: the command; what it runs is in server-process.ts. */
import type { Command } from "commander";
import { EXIT } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import type { CommandContext } from "../service/session.ts";
import { addSettingsOptions, type SettingsOptions, settleSettings } from "../settings/command-line.ts";

const HELP = `
Every setting may come from its flag, from its variable (--value-max-bytes has
MESHCACHE_VALUE_MAX_BYTES) or from the file (valueMaxBytes: 1MiB), in this order. Sizes take B, KiB,
MiB and GiB, times take ms, s, min, h and d. Traces and metrics are exported as the standard OTEL_*
variables say.

Every core gets a worker, a thread that serves on the one port over the one store. With one worker
no thread is started. A worker that ends by itself ends the server, with exit code 70.

SIGINT or SIGTERM drains: streams are told to move, calls end, and after --drain-max-ms what is
left is cut. A second signal ends it at once.

Examples:
  meshcache serve
  meshcache serve --listen 0.0.0.0:50051 --store-budget-bytes 1GiB
  meshcache serve --config meshcache.yaml --admin off
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 meshcache serve`;

export function addServeCommand(program: Command, context: CommandContext): void {
  const command = program.command("serve").description("start a server");
  addSettingsOptions(command)
    .addHelpText("after", HELP)
    .action(async (options: SettingsOptions) => {
      const { terminal } = context;
      try {
        const { values } = settleSettings(options, terminal.env);
        // Loaded here: the other commands start faster without the server and its telemetry.
        const { runServer } = await import("../serving/server-process.ts");
        await runServer(terminal, values);
        context.finish(EXIT.ok);
      } catch (error) {
        context.finish(await reportFailure(error, terminal, false));
      }
    });
}
