/** `meshcache proxy`: caches the responses of a service without code in it, of one that speaks gRPC or of one that speaks HTTP. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { CacheError } from "../../common/errors.ts";
import { startHttpProxy } from "../../http-proxy/index.ts";
import { startSidecar } from "../../responses/sidecar/index.ts";
import { CliError, EXIT, type ExitCode, usageError } from "../output/exit-codes.ts";
import { fromCacheError, reportFailure } from "../output/failure.ts";
import type { Terminal } from "../output/terminal.ts";
import { countOption, durationOption, listOption } from "../service/options.ts";
import type { CommandContext } from "../service/session.ts";
import { readDescriptors } from "./descriptors.ts";
import { addCacheOptions, type CacheFlags, readListen, readServer, runProxy } from "./proxy-cache.ts";

interface ProxyOptions extends CacheFlags {
  readonly loadTimeout: number;
  readonly grpc?: true;
  readonly descriptors?: string;
  readonly protoPath?: readonly string[];
  readonly upstream?: string;
  readonly shareAuthorized?: true;
  readonly origin?: string;
  readonly host?: readonly string[];
  readonly bodyMaxBytes: number;
  readonly purgeTokenFile?: string;
}

const HELP = `
With --grpc, calls of methods with options are answered from the cache, and all others pass through as they are. An answer says in
"x-meshcache" where it came from: near, remote, miss or stale.
With --origin, responses are stored as their headers permit (RFC 9111). An answer says in "Cache-Status" what was done (RFC 9211).
What it has counted is printed at the end, as one line of JSON. With --admin, "meshcache stats --proxy" shows it meanwhile, and
/metrics is for Prometheus. The standard OTEL_* variables say where to export traces and metrics.

Examples:
  buf build -o users.binpb
  meshcache proxy --grpc --descriptors users.binpb --upstream 127.0.0.1:9090 --cache 127.0.0.1:50051
  meshcache proxy --origin http://127.0.0.1:8080 --listen 127.0.0.1:8000 --cache 127.0.0.1:50051
  meshcache proxy --origin http://127.0.0.1:8080 --admin 127.0.0.1:9465`;

/** A token in a file is a line of it. */
const TOKEN = /^[\x21-\x7e]{16,1024}$/;
const LOAD_TIMEOUT_MAX_MS = 58_000;

export function addProxyCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const command = program
    .command("proxy")
    .description("cache the responses of a service, of gRPC or of HTTP, without code in it")
    .option(
      "--listen <host:port>",
      "where to listen, without TLS; port 0 picks a free one",
      "127.0.0.1:50061",
    )
    .option(
      "--exposed",
      "listen beyond loopback: the network encrypts, and lets only those through who may call",
    )
    .option("--admin <host:port>", "where metrics and what is counted are read, or off", "off")
    .addOption(
      durationOption("--load-timeout <time>", "how long a call may take whose response is kept", "30s"),
    )
    .optionsGroup("A service that speaks gRPC:")
    .option("--grpc", "cache as its descriptors declare")
    .option("--descriptors <file>", "a FileDescriptorSet with all that it imports, or a .proto file")
    .addOption(
      listOption("--proto-path <folder>", "where imports of a .proto file are looked for; repeatable"),
    )
    .option("--upstream <host:port>", "the service, which speaks HTTP/2 without TLS")
    .option(
      "--share-authorized",
      "share responses of SHARING_ALL with callers that have credentials, without asking the service",
    )
    .optionsGroup("A service that speaks HTTP:")
    .option("--origin <url>", 'the service: "http://HOST:PORT", or "https://HOST"')
    .addOption(
      listOption("--host <name>", "a name that requests may have for the proxy, beside its own; repeatable"),
    )
    .addOption(
      countOption("--body-max-bytes <count>", "longest body that is kept", [0, 64 * 2 ** 20], 1_000_000),
    )
    .option("--purge-token-file <file>", "let those PURGE who send this token; else nobody may");
  addCacheOptions(command, terminal)
    .addHelpText("after", HELP)
    .action((options: ProxyOptions) => run(context, options));
}

async function run({ terminal, finish }: CommandContext, options: ProxyOptions): Promise<void> {
  try {
    if ((options.grpc === true) === (options.origin !== undefined))
      throw usageError("one of --grpc and --origin must be given");
    finish(await (options.grpc === true ? proxyGrpc : proxyHttp)(terminal, options));
  } catch (error) {
    const failure = error instanceof CacheError ? fromCacheError(error, options.cache) : error;
    finish(await reportFailure(failure, terminal, false));
  }
}

async function proxyGrpc(terminal: Terminal, options: ProxyOptions): Promise<ExitCode> {
  if (options.descriptors === undefined || options.upstream === undefined)
    throw usageError("--grpc needs --descriptors and --upstream");
  const upstream = readServer("--upstream", options.upstream);
  const listen = readListen(options);
  const { sources } = await readDescriptors(options.descriptors, options.protoPath ?? []);
  return await runProxy(terminal, options, {
    kind: "grpc",
    before: options.upstream,
    start: (cache, _telemetry, onFault) =>
      startSidecar({
        cache,
        listen,
        upstream,
        services: sources,
        namespace: options.namespace,
        loadTimeoutMs: options.loadTimeout,
        shareAuthorized: options.shareAuthorized === true,
        onFault,
      }),
  });
}

async function proxyHttp(terminal: Terminal, options: ProxyOptions): Promise<ExitCode> {
  const origin = readOrigin(options.origin ?? "");
  const listen = readListen(options);
  if (options.loadTimeout < 1 || options.loadTimeout > LOAD_TIMEOUT_MAX_MS)
    throw usageError('--load-timeout must be from "1ms" to "58s"');
  const purgeToken = readPurgeToken(options.purgeTokenFile);
  return await runProxy(terminal, options, {
    kind: "http",
    before: origin,
    start: (cache, telemetry, onFault) =>
      startHttpProxy({
        cache,
        listen,
        origin,
        namespace: options.namespace,
        timeoutMs: options.loadTimeout,
        bodyMaxBytes: options.bodyMaxBytes,
        ...(options.host !== undefined && { hosts: options.host }),
        ...(purgeToken !== undefined && { purgeToken }),
        ...(telemetry !== undefined && { telemetry }),
        onFault,
      }),
  });
}

function readOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin =
    url !== undefined &&
    (url.protocol === "http:" || url.protocol === "https:") &&
    url.pathname + url.search + url.hash + url.username + url.password === "/";
  if (!isOrigin) throw usageError("--origin must be http://HOST:PORT or https://HOST:PORT, without a path");
  return url.origin;
}

function readPurgeToken(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new CliError(EXIT.noFile, "NO_FILE", `--purge-token-file ${file} cannot be read`, { cause });
  }
  if (!TOKEN.test(text))
    throw usageError("--purge-token-file must have 16 to 1,024 printable characters without spaces");
  return text;
}
