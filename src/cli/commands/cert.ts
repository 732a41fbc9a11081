/** `meshcache cert check`: what a client with certain files sees of a server's certificate. */
import type { Command } from "commander";
import { CacheError } from "../../common/errors.ts";
import { parseServerAddress, SERVER_ADDRESS_FORM } from "../../common/host-port.ts";
import { type Inspection, inspectServer } from "../../security/tls/inspection.ts";
import { CliError, EXIT, usageError } from "../output/exit-codes.ts";
import { fromCacheError, reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import { oneLine, toColumns } from "../output/text.ts";
import { addSessionOptions, type CommandContext, type SessionOptions } from "../service/session.ts";
import { toClientTls } from "../service/tls.ts";

const CHECK_HELP = `
Exits with 0 if a client with these files would be connected, else with 1. Without --tls-ca the
authorities count that Node trusts.

Examples:
  meshcache cert check --tls-ca ca.crt
  meshcache cert check --address cache:50051 --tls-ca ca.crt --tls-cert app.crt --tls-key app.key`;

export function addCertCommand(program: Command, context: CommandContext): void {
  const cert = program.command("cert").description("look at certificates");
  addSessionOptions(cert.command("check").description("check what a client would see of a server"), context)
    .addHelpText("after", CHECK_HELP)
    .action((options: SessionOptions) => check(context, options));
}

async function check({ terminal, finish }: CommandContext, options: SessionOptions): Promise<void> {
  const { address, timeout, json } = options;
  try {
    const place = parseServerAddress(address);
    if (place === undefined) throw usageError(`--address must be ${SERVER_ADDRESS_FORM}`);
    const signal = AbortSignal.any([AbortSignal.timeout(timeout), terminal.interrupted]);
    const found = await inspectServer(place, toClientTls(options) ?? {}, signal).catch((error: unknown) => {
      if (error instanceof CacheError) throw fromCacheError(error, address);
      const why = error instanceof Error ? error.message : String(error);
      throw new CliError(EXIT.unavailable, "UNAVAILABLE", `no TLS with ${address}: ${why}`, { cause: error });
    });
    const text = json === true ? toJsonLine(found) : toLines(found).join("\n");
    await writeLine(terminal.stdout, text);
    finish(found.faults.length === 0 ? EXIT.ok : EXIT.negative);
  } catch (error) {
    finish(await reportFailure(error, terminal, json === true));
  }
}

function toLines({ protocol, names, issuer, validFrom, validUntil, faults }: Inspection): string[] {
  return [
    ...toColumns([
      ["protocol", protocol],
      ["names", oneLine(names)],
      ["issuer", oneLine(issuer)],
      ["valid from", validFrom],
      ["valid until", validUntil],
    ]),
    faults.length === 0
      ? "a client with these files is connected"
      : "a client with these files is not connected:",
    ...faults.map((fault) => `  ${oneLine(fault)}`),
  ];
}
