/** Runs a server process: starts telemetry, store, gRPC port and admin port, and drains them at the end. */

import { once } from "node:events";
import { isSea } from "node:sea";
import { createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { DEFAULT_ADDRESS, parseListenAddress, toHostPort } from "../../common/host-port.ts";
import { VERSION } from "../../common/version.ts";
import { openSecurity } from "../../security/security.ts";
import type { ServerTls } from "../../security/tls/server-tls.ts";
import { type AdminGateway, createAdminGateway } from "../../server/admin-gateway.ts";
import { type AdminHttp, startAdminHttp } from "../../server/admin-http.ts";
import { isHttpPortError } from "../../server/http-port.ts";
import type { CacheServer } from "../../server/index.ts";

import { WorkerCrash } from "../../server/workers/index.ts";
import { createLogger } from "../../telemetry/logger.ts";
import { observeAdmin } from "../../telemetry/observation.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";
import { type Terminal, writeLine } from "../output/terminal.ts";
import type { ResolvedSettings } from "../settings/conflicts.ts";
import type { Machine } from "../settings/machine.ts";
import { ceilingBytes, usableBytes } from "../settings/memory-model.ts";
import type { Settings } from "../settings/settings.ts";
import { TELEMETRY_FLUSH_MS } from "../telemetry/sdk.ts";
import { startTelemetrySdk, type TelemetrySdk } from "../telemetry/telemetry-sdk.ts";
import { createThreadMetrics } from "../telemetry/thread-metrics/collection.ts";
import { type ConfiguredServer, createConfiguredServer } from "./configured-server.ts";
import { readConsoleFiles } from "./console-files.ts";
import { protectionOf } from "./protection.ts";
import { adminSecurityOptions, consoleLacksIdentity, consoleSecurityOptions } from "./security-options.ts";

/** Resolves when the server has drained after an interruption. Rejects when it cannot start, or a worker has ended. */
export async function runServer(
  terminal: Terminal,
  resolved: ResolvedSettings,
  machine: Machine,
): Promise<void> {
  const settings = resolved.values;
  const logger = createLogger({ level: settings.logLevel, destination: terminal.stderr });
  warnOfMemory(logger, settings, machine);
  const threads = settings.workers === 1 ? undefined : createThreadMetrics(systemClock);
  const sdk = await startTelemetrySdk({ serviceVersion: VERSION, logger, threads });
  try {
    const server = await createConfiguredServer(resolved, { logger, sdk, threads });
    await serve(server, { terminal, settings, logger, sdk });
  } catch (error) {
    // Without a last export: it would read the store, which the worker may have left locked.
    if (error instanceof WorkerCrash) throw toCrashError(error, logger);
    await sdk.shutdown(TELEMETRY_FLUSH_MS);
    throw error;
  }
  await sdk.shutdown(TELEMETRY_FLUSH_MS);
}

function warnOfMemory(logger: Logger, settings: Settings, { memoryBytes }: Machine): void {
  if (memoryBytes === undefined || ceilingBytes(settings) <= usableBytes(memoryBytes)) return;
  logger.warn(
    {
      storeBudgetBytes: settings.storeBudgetBytes,
      ceilingBytes: ceilingBytes(settings),
      memoryLimitBytes: memoryBytes.value,
      memoryLimitFrom: memoryBytes.path,
    },
    'these settings may take more memory than the limit has room for; "meshcache sizing" shows the parts',
  );
}

interface Serving {
  readonly terminal: Terminal;
  readonly settings: Settings;
  readonly logger: Logger;
  readonly sdk: TelemetrySdk;
}

async function serve(configured: ConfiguredServer, serving: Serving): Promise<void> {
  const { server, crashed, snapshot } = configured;
  const { terminal, settings, logger } = serving;
  const { workers, drainMaxMs } = settings;
  const address = await startListening(configured, settings);
  const http = server.httpAddress && `${settings.tlsCert === "" ? "http" : "https"}://${server.httpAddress}`;
  const admin = await startAdmin(serving, server).catch(async (error: unknown) => {
    await server.close();
    snapshot?.end();
    throw error;
  });
  const { summary, warning, ...protection } = protectionOf(settings, address);
  if (warning !== undefined) logger.warn({ listen: address }, `${warning}, unless others see to it`);
  const where = { listen: address, admin: admin && adminUrl(admin), http };
  logger.info({ ...where, workers, version: VERSION, ...protection }, "serving");
  const security =
    warning === undefined ? [summary] : [summary, `WARNING: ${warning}, unless others see to it`];
  await announce(terminal, settings, { address, admin, http, security });
  const crash = crashed.then((why) => Promise.reject(why));
  const interruption = terminal.interrupted.aborted ? undefined : once(terminal.interrupted, "abort");
  try {
    await Promise.race([interruption, crash]);
    logger.info({ signal: terminal.interrupted.reason, drainMaxMs }, "draining");
    await Promise.race([server.drain(), crash]);
    snapshot?.end();
  } finally {
    await admin?.close();
  }
  logger.info({}, "stopped");
}

function toCrashError(crash: WorkerCrash, logger: Logger): CliError {
  logger.error({ err: crash.cause, worker: crash.thread }, "a worker ended, and the server with it");
  return new CliError(EXIT.fault, "WORKER_CRASHED", crash.message, { cause: crash });
}

async function startListening(
  { server, snapshot }: ConfiguredServer,
  { listen, http }: Settings,
): Promise<string> {
  try {
    const address = await server.start();
    snapshot?.served();
    return address;
  } catch (error) {
    snapshot?.notServed();
    if (error instanceof WorkerCrash) throw error;
    throw isHttpPortError(error) ? cannotListen("http", http, error) : cannotListen("listen", listen, error);
  }
}

async function startAdmin(
  { terminal, settings, sdk, logger }: Serving,
  server: CacheServer,
): Promise<AdminHttp | undefined> {
  const { admin, adminHosts: hosts, adminConnectionsMax: connectionsMax } = settings;
  const endpoint = parseListenAddress(admin);
  if (endpoint === undefined) return undefined; // "off"
  try {
    const ready = () => !terminal.interrupted.aborted;
    const { metricsText, meterProvider } = sdk;
    const security = openSecurity(adminSecurityOptions(settings), endpoint.host);
    const gateway = openConsole(settings, endpoint.host, server, logger);
    const http = await startAdminHttp({
      ...endpoint,
      gateway,
      hosts,
      connectionsMax,
      metricsText,
      ready,
      logger,
      tls: security.tls?.value,
    });
    observeAdmin(meterProvider, { refusedConnections: () => http.refusedConnections });
    const boundary = createBoundary((error) => {
      logger.error({ err: error }, "the TLS files of the admin port cannot be followed");
    });
    const target = { replaceTls: (tls: ServerTls) => http.replaceTls(tls), checkStreams: () => {} };
    security.watch({ clock: systemClock, boundary, logger }, target);
    return http;
  } catch (error) {
    throw cannotListen("admin", admin, error, " (port 0 picks a free one, off starts none)");
  }
}

/** Undefined: there is no console. */
function openConsole(
  settings: Settings,
  host: string,
  { store, operators }: CacheServer,
  logger: Logger,
): AdminGateway | undefined {
  if (settings.console === "off" || consoleLacksIdentity(settings)) return undefined;
  const security = openSecurity(consoleSecurityOptions(settings), host);
  const gateway = createAdminGateway({
    store,
    operators,
    security,
    host,
    anonymousWrites: settings.consoleWrite,
    anonymousBeyondLoopback: settings.console === "anonymous",
    page: readConsoleFiles(),
  });
  const boundary = createBoundary((error) => {
    logger.error({ err: error }, "the files of identities cannot be followed for the console");
  });
  // The admin port follows the certificates itself.
  security.watch(
    { clock: systemClock, boundary, logger },
    { replaceTls: () => {}, checkStreams: () => gateway.checkStreams() },
  );
  return gateway;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "not permitted",
  ENOTFOUND: "no such host",
};

function cannotListen(
  setting: "listen" | "http" | "admin",
  address: string,
  error: unknown,
  advice = "",
): CliError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  const message = `cannot listen on ${address}: ${why}; --${setting} names another address${advice}`;
  return new CliError(EXIT.unavailable, "CANNOT_LISTEN", message, { cause: error });
}

function adminUrl({ host, port, encrypts }: AdminHttp): string {
  return `${encrypts ? "https" : "http"}://${toHostPort(host, port)}`;
}

interface Announced {
  readonly address: string;
  readonly admin: AdminHttp | undefined;
  readonly http: string | undefined;
  /** Lines about what protects the server. */
  readonly security: readonly string[];
}

async function announce(
  { stdout }: Terminal,
  { workers, tlsCert, tlsClientCa, tokens, jwtIssuers }: Settings,
  { address, admin, http, security }: Announced,
): Promise<void> {
  const command = ownCommand();
  const there = [
    ...(address === DEFAULT_ADDRESS ? [] : [` --address ${address}`]),
    ...(tlsCert === "" ? [] : [" --tls-ca FILE"]),
    ...(tlsClientCa === "" ? [] : [" --tls-cert FILE --tls-key FILE"]),
    ...(tlsClientCa !== "" || (tokens === "" && jwtIssuers === "") ? [] : [" --token-file FILE"]),
  ].join("");
  const lines = [
    `meshcache ${VERSION} listens on ${address} with ${workers} worker${workers === 1 ? "" : "s"}`,
    `security: ${security.join("\n")}`,
    ...(http === undefined ? [] : [`HTTP and JSON on ${http}`]),
    ...(admin === undefined ? [] : [`metrics and health on ${adminUrl(admin)}`]),
    "",
    "Try it from another terminal:",
    `  ${command} set greeting hello${there} && ${command} get greeting${there}`,
  ];
  await writeLine(stdout, lines.join("\n"));
}

/** How a person runs this command line again. As the sources or a dependency it is not in the PATH; npm finds it there. */
function ownCommand(): string {
  if (isSea()) return process.argv0;
  return import.meta.url.endsWith(".ts") ? "npm run -s meshcache --" : "npx meshcache";
}
