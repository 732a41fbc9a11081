/** `meshcache proxy --grpc`: a sidecar that caches the responses of a gRPC service, without code in it. */
import type { Command } from "commander";
import { CacheError } from "../../common/errors.ts";
import {
  type HostPort,
  isLoopback,
  LISTEN_ADDRESS_FORM,
  parseListenAddress,
  parseServerAddress,
  SERVER_ADDRESS_FORM,
} from "../../common/host-port.ts";
import { MeshCache } from "../../index.ts";
import { startSidecar } from "../../responses/sidecar/index.ts";
import { CliError, EXIT, type ExitCode, usageError } from "../output/exit-codes.ts";
import { fromCacheError, reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import {
  durationOption,
  environmentOption,
  fileOption,
  listOption,
  switchOption,
} from "../service/options.ts";
import type { CommandContext } from "../service/session.ts";
import { readToken, type TlsFlags, toClientTls } from "../service/tls.ts";
import { readDescriptors } from "./descriptors.ts";

interface ProxyOptions extends TlsFlags {
  readonly grpc?: true;
  readonly descriptors: string;
  readonly protoPath?: readonly string[];
  readonly upstream: string;
  readonly listen: string;
  readonly cache: string;
  readonly namespace: string;
  readonly loadTimeout: number;
  readonly shareAuthorized?: true;
  readonly exposed?: true;
}

const HELP = `
Calls of methods with options are answered from the cache; all others pass through as they are. What it has counted is printed at
the end, as one line of JSON. An answer says in "x-meshcache" where it came from: near, remote, miss or stale.

Example:
  buf build -o users.binpb
  meshcache proxy --grpc --descriptors users.binpb --upstream 127.0.0.1:9090 --cache 127.0.0.1:50051`;

export function addProxyCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  program
    .command("proxy")
    .description("cache the responses of a gRPC service as a sidecar, as its descriptors declare")
    .requiredOption("--grpc", "the service speaks gRPC")
    .requiredOption("--descriptors <file>", "a FileDescriptorSet with all that it imports, or a .proto file")
    .addOption(
      listOption("--proto-path <folder>", "where imports of a .proto file are looked for; repeatable"),
    )
    .requiredOption("--upstream <host:port>", "the service, which speaks HTTP/2 without TLS")
    .option(
      "--listen <host:port>",
      "where to listen, without TLS; port 0 picks a free one",
      "127.0.0.1:50061",
    )
    .option(
      "--exposed",
      "listen beyond loopback: the network encrypts, and lets only those through who may call",
    )
    .option(
      "--share-authorized",
      "share responses of SHARING_ALL with callers that have credentials, without asking the service",
    )
    .addOption(
      durationOption("--load-timeout <time>", "how long a call may take whose response is kept", "30s"),
    )
    .optionsGroup("Cache:")
    .addOption(environmentOption("--cache <host:port>", "address of the cache", terminal, "127.0.0.1:50051"))
    .option("--namespace <name>", "where responses are kept", "responses")
    .addOption(fileOption("--tls-ca <file>", "authorities of the cache, as PEM; turns TLS on", terminal))
    .addOption(fileOption("--tls-cert <file>", "own certificate, as PEM; turns TLS on", terminal))
    .addOption(fileOption("--tls-key <file>", "private key of --tls-cert, as PEM", terminal))
    .addOption(fileOption("--tls-server-name <name>", "name to expect of the cache, not its host", terminal))
    .addOption(fileOption("--token-file <file>", "a file with the token for the cache", terminal))
    .addOption(
      switchOption("--plaintext", "send the token beyond loopback without TLS: a sidecar encrypts", terminal),
    )
    .addHelpText("after", HELP)
    .action((options: ProxyOptions) => run(context, options));
}

async function run({ terminal, finish }: CommandContext, options: ProxyOptions): Promise<void> {
  try {
    finish(await proxy(terminal, options));
  } catch (error) {
    const failure = error instanceof CacheError ? fromCacheError(error, options.cache) : error;
    finish(await reportFailure(failure, terminal, false));
  }
}

async function proxy(terminal: CommandContext["terminal"], options: ProxyOptions): Promise<ExitCode> {
  const upstream = readAddress("--upstream", options.upstream, parseServerAddress, SERVER_ADDRESS_FORM);
  const listen = readAddress("--listen", options.listen, parseListenAddress, LISTEN_ADDRESS_FORM);
  readAddress("--cache", options.cache, parseServerAddress, SERVER_ADDRESS_FORM);
  if (!isLoopback(listen.host) && options.exposed !== true)
    throw usageError("--listen must be a loopback address, unless --exposed is given");
  const { sources } = await readDescriptors(options.descriptors, options.protoPath ?? []);
  const tls = toClientTls(options);
  const token = readToken(options, tls, options.cache);
  await using cache = new MeshCache({
    address: options.cache,
    clientId: "proxy",
    ...(tls !== undefined && { tls }),
    ...(token !== undefined && { token: () => readToken(options, tls, options.cache) ?? token }),
    onEvent: (event) => void writeLine(terminal.stderr, event.message),
  });
  const sidecar = await startSidecar({
    cache,
    listen,
    upstream,
    services: sources,
    namespace: options.namespace,
    loadTimeoutMs: options.loadTimeout,
    shareAuthorized: options.shareAuthorized === true,
    onFault: () => void writeLine(terminal.stderr, "a callback of the proxy failed"),
  }).catch((cause: unknown) => {
    if (cause instanceof CacheError) throw new CliError(EXIT.usage, "DESCRIPTORS", cause.message, { cause });
    throw new CliError(EXIT.unavailable, "LISTEN", `cannot listen on ${options.listen}`, { cause });
  });
  await writeLine(terminal.stdout, `listening on ${sidecar.address}, before ${options.upstream}`);
  await interrupted(terminal.interrupted);
  await sidecar.close();
  await writeLine(terminal.stdout, toJsonLine({ ...sidecar.counts }));
  return EXIT.ok;
}

function readAddress(
  name: string,
  text: string,
  parse: (text: string) => HostPort | undefined,
  form: string,
): HostPort {
  const address = parse(text);
  if (address === undefined) throw usageError(`${name} must be ${form}`);
  return address;
}

function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
