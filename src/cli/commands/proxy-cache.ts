/** What the proxies have in common: the cache that they keep responses in, where they listen, and their end. */
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
import { VERSION } from "../../common/version.ts";
import type { Providers } from "../../http-proxy/telemetry/proxy-telemetry.ts";
import { MeshCache } from "../../index.ts";
import { CliError, EXIT, type ExitCode, usageError } from "../output/exit-codes.ts";
import { toJsonLine } from "../output/json.ts";
import { type Terminal, writeLine } from "../output/terminal.ts";
import { environmentOption, fileOption, switchOption } from "../service/options.ts";
import { readToken, type TlsFlags, toClientTls } from "../service/tls.ts";
import { startProxyTelemetry } from "../serving/proxy-telemetry.ts";
import type { ProxyStats } from "./proxy-stats.ts";

export interface CacheFlags extends TlsFlags {
  readonly cache: string;
  readonly listen: string;
  readonly exposed?: true;
  readonly admin: string;
  readonly namespace: string;
}

/** A proxy that runs. */
export interface RunningProxy {
  /** "HOST:PORT" */
  readonly address: string;
  readonly counts: object;
  /** Connections of clients. */
  readonly connections?: number;
  close(): Promise<void>;
}

export function addCacheOptions(command: Command, terminal: Terminal): Command {
  return command
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
    );
}

/** Throws a CliError for an address that is none, and for one beyond loopback without --exposed. */
export function readListen({ listen, exposed }: CacheFlags): HostPort {
  const address = readAddress("--listen", listen, parseListenAddress, LISTEN_ADDRESS_FORM);
  if (!isLoopback(address.host) && exposed !== true)
    throw usageError("--listen must be a loopback address, unless --exposed is given");
  return address;
}

export function readServer(name: string, text: string): HostPort {
  return readAddress(name, text, parseServerAddress, SERVER_ADDRESS_FORM);
}

/** Undefined: there is no admin port. Throws a CliError as `readListen`. */
function readAdmin({ admin, exposed }: CacheFlags): HostPort | undefined {
  if (admin === "off") return undefined;
  const address = readAddress("--admin", admin, parseListenAddress, `${LISTEN_ADDRESS_FORM}, or off`);
  if (!isLoopback(address.host) && exposed !== true)
    throw usageError("--admin must be a loopback address, unless --exposed is given");
  return address;
}

/** A client of the cache. Throws a CliError for flags that cannot be used together. */
function connectCache(terminal: Terminal, flags: CacheFlags): MeshCache {
  readServer("--cache", flags.cache);
  const tls = toClientTls(flags);
  const token = readToken(flags, tls, flags.cache);
  return new MeshCache({
    address: flags.cache,
    clientId: "proxy",
    ...(tls !== undefined && { tls }),
    ...(token !== undefined && { token: () => readToken(flags, tls, flags.cache) ?? token }),
    onEvent: (event) => {
      // An answer that is not kept ends its load with an error.
      if (event.kind !== "loadFailed") void writeLine(terminal.stderr, event.message);
    },
  });
}

export interface ProxyRun {
  /** What speaks to the service. */
  readonly kind: "grpc" | "http";
  /** The service. */
  readonly before: string;
  /** Rejects with FIELD_INVALID for wrong options. */
  start(cache: MeshCache, telemetry: Providers | undefined, onFault: () => void): Promise<RunningProxy>;
}

/** Runs until it is interrupted, and prints what it has counted. */
export async function runProxy(terminal: Terminal, flags: CacheFlags, run: ProxyRun): Promise<ExitCode> {
  const admin = readAdmin(flags);
  const telemetry = await startProxyTelemetry(terminal, admin !== undefined);
  try {
    await using cache = connectCache(terminal, flags);
    const onFault = () => void writeLine(terminal.stderr, "a callback of the proxy failed");
    const proxy = await run.start(cache, telemetry?.providers, onFault).catch((cause: unknown) => {
      if (cause instanceof CacheError) throw new CliError(EXIT.usage, "OPTIONS", cause.message, { cause });
      throw new CliError(EXIT.unavailable, "LISTEN", `cannot listen on ${flags.listen}`, { cause });
    });
    await using stack = new AsyncDisposableStack();
    const stop = stack.adopt(proxy, (running) => running.close());
    if (admin !== undefined && telemetry !== undefined) {
      const port = await telemetry.startAdmin(admin, statsOf(flags, run, stop));
      stack.defer(() => port.close());
      await writeLine(terminal.stdout, `metrics and stats on http://${port.address}`);
    }
    await writeLine(terminal.stdout, `listening on ${proxy.address}, before ${run.before}`);
    await interrupted(terminal.interrupted);
    await stack.disposeAsync();
    await writeLine(terminal.stdout, toJsonLine({ ...proxy.counts }));
    return EXIT.ok;
  } finally {
    await telemetry?.shutdown();
  }
}

/** What `meshcache stats --proxy` reads. */
function statsOf(
  { namespace }: CacheFlags,
  { kind, before }: ProxyRun,
  proxy: RunningProxy,
): () => ProxyStats {
  const startedAtMs = performance.now();
  return () => ({
    kind,
    version: VERSION,
    before,
    namespace,
    uptimeMs: Math.round(performance.now() - startedAtMs),
    connections: proxy.connections ?? 0,
    counts: proxy.counts,
  });
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
