/** `meshcache serve`: the command. server-process.ts runs the server. */
import type { Command } from "commander";
import { EXIT } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import type { CommandContext } from "../service/session.ts";
import { addSettingsOptions, readSettings, type SettingsOptions } from "../settings/command-line.ts";

const HELP = `
A setting is taken from its flag (--value-max-bytes), else from its environment variable
(MESHCACHE_VALUE_MAX_BYTES), else from the file (valueMaxBytes: 1MiB), else from its default.
A size may have a unit: B, KiB, MiB, GiB or TiB. A time may have one too: ms, s, m or min, h, d;
without, it is in milliseconds. The standard OTEL_* variables say where to export traces and
metrics.

By default there is a worker for each core, within the limits of the container: a thread that
serves on the shared port over the shared store. With one worker no thread is started. If a worker
ends unexpectedly, the server ends with exit code 70. "meshcache sizing" computes the memory that
a server needs.

SIGINT or SIGTERM drains the server: clients are told to reconnect elsewhere, running calls end,
and after --drain-max-ms those that are left are cut. A second signal ends it at once.

Examples:
  meshcache serve
  meshcache serve --store-budget-bytes 1GiB
  meshcache serve --listen 0.0.0.0:50051 --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt
  meshcache serve --listen 0.0.0.0:50051 --plaintext --anonymous    # behind a sidecar
  meshcache serve --config meshcache.yaml --admin off
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 meshcache serve`;

export function addServeCommand(program: Command, context: CommandContext): void {
  const command = program.command("serve").description("start a server");
  addSettingsOptions(command)
    .addHelpText("after", HELP)
    .action(async (options: SettingsOptions) => {
      const { terminal, machine: readMachine } = context;
      try {
        const machine = readMachine();
        const settings = readSettings(options, terminal.env, machine);
        // Imported here, so that the other commands start without the server and its telemetry.
        const { runServer } = await import("../serving/server-process.ts");
        await runServer(terminal, settings, machine);
        context.finish(EXIT.ok);
      } catch (error) {
        context.finish(await reportFailure(error, terminal, false));
      }
    });
}
