/** The connection of one command to a server: its options, its calls and its output. */
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import type { Command } from "commander";
import { CacheError } from "../../common/errors.ts";
import { DEFAULT_ADDRESS, parseServerAddress, SERVER_ADDRESS_FORM } from "../../common/host-port.ts";
import { createServiceClient, type ServiceCallOptions, type ServiceClient } from "../../rpc/client.ts";
import type { ClientTlsOptions } from "../../security/tls/client-tls.ts";
import { type ExitCode, usageError } from "../output/exit-codes.ts";
import { fromCacheError, reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { type Terminal, writeLine } from "../output/terminal.ts";
import type { Machine } from "../settings/machine.ts";
import { environmentOption, fileOption, switchOption, timeoutOption } from "./options.ts";
import { readToken, type TlsFlags, targetName, toClientTls, toCredentials } from "./tls.ts";
import { toUnreachable } from "./unreachable.ts";

/** What every command gets: the terminal, the machine, and a function that takes its exit code. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Reads the properties of the machine anew. */
  machine(): Machine;
  finish(exitCode: ExitCode): void;
}

export interface SessionOptions extends TlsFlags {
  readonly address: string;
  readonly json?: true;
  readonly timeout: number;
}

export interface NamespaceOptions extends SessionOptions {
  readonly namespace: string;
}

export interface Session {
  readonly terminal: Terminal;
  readonly client: ServiceClient;
  readonly address: string;
  /** Undefined: without TLS. */
  readonly tls: ClientTlsOptions | undefined;
  /** Undefined: calls have none. */
  readonly token: string | undefined;
  readonly json: boolean;
  /** For calls without `call`: the same metadata, timeout and interruption. */
  readonly callOptions: ServiceCallOptions & { readonly metadata: Metadata; readonly signal: AbortSignal };
  /** A unary call. Rejects with a CacheError, which `runSession` reports. */
  call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
  ): Promise<MessageShape<Output>>;
  /** Writes to stdout: `toJson()` as one line with --json, else `toHuman()`. */
  answer(toJson: () => object, toHuman: () => string): Promise<void>;
}

/** --address, --tls-…, --token-file, --plaintext, --timeout and --json. */
export function addSessionOptions(command: Command, { terminal }: CommandContext): Command {
  return command
    .optionsGroup("Connection:")
    .addOption(environmentOption("--address <host:port>", "address of the server", terminal, DEFAULT_ADDRESS))
    .addOption(fileOption("--tls-ca <file>", "authorities of the server, as PEM; turns TLS on", terminal))
    .addOption(fileOption("--tls-cert <file>", "own certificate, as PEM; turns TLS on", terminal))
    .addOption(fileOption("--tls-key <file>", "private key of --tls-cert, as PEM", terminal))
    .addOption(fileOption("--tls-server-name <name>", "name to expect of the server, not its host", terminal))
    .addOption(fileOption("--token-file <file>", "a file with the token of the calls", terminal))
    .addOption(
      switchOption("--plaintext", "send the token beyond loopback without TLS: a sidecar encrypts", terminal),
    )
    .addOption(timeoutOption("--timeout <time>", "longest time for one call, such as 500ms", "5s"))
    .optionsGroup("Output:")
    .option("--json", "print one JSON object per line; bytes as base64, and as text if UTF-8");
}

/** As `addSessionOptions`, and --namespace. */
export function addNamespaceOptions(
  command: Command,
  context: CommandContext,
  fallback = "default",
): Command {
  const { terminal } = context;
  command
    .optionsGroup("Connection:")
    .addOption(environmentOption("--namespace <name>", "the namespace", terminal, fallback));
  return addSessionOptions(command, context);
}

/** Runs `body` with a session, closes the session, and passes the exit code on, also that of an error. */
export async function runSession(
  context: CommandContext,
  options: SessionOptions,
  body: (session: Session) => Promise<ExitCode>,
): Promise<void> {
  const { terminal } = context;
  let session: Session | undefined;
  try {
    session = openSession(terminal, options);
    context.finish(await body(session));
  } catch (error) {
    const failure = await toFailure(error, options.address, session?.tls !== undefined);
    context.finish(await reportFailure(failure, terminal, options.json === true));
  } finally {
    session?.client.close();
  }
}

async function toFailure(error: unknown, address: string, usesTls: boolean): Promise<unknown> {
  if (!(error instanceof CacheError)) return error;
  return (await toUnreachable(error, address, usesTls)) ?? fromCacheError(error, address);
}

function openSession(terminal: Terminal, options: SessionOptions): Session {
  const { address, timeout, json = undefined } = options;
  if (parseServerAddress(address) === undefined) throw usageError(`--address must be ${SERVER_ADDRESS_FORM}`);
  const metadata = new Metadata();
  metadata.set("meshcache-client-id", "cli");
  const tls = toClientTls(options);
  const token = readToken(options, tls, address);
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const client = createServiceClient(address, toCredentials(tls, address), {
    ...CHANNEL_OPTIONS,
    ...targetName(tls, address),
  });
  const callOptions = { metadata, timeoutMs: timeout, signal: terminal.interrupted };
  return {
    terminal,
    client,
    address,
    tls,
    token,
    json: json === true,
    callOptions,
    call: (method, request) => client.unary(method, request, callOptions),
    answer: (toJson, toHuman) => writeLine(terminal.stdout, json ? toJsonLine(toJson()) : toHuman()),
  };
}

/** The limits of the server apply. A proxy from the environment is not used: the cache is on the local network. */
const CHANNEL_OPTIONS = {
  "grpc.max_receive_message_length": -1,
  "grpc.enable_channelz": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
};
