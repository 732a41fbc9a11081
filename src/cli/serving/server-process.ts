/** Runs a server process: starts telemetry, store, gRPC port and admin port, and drains them at the end. */

import { once } from "node:events";
import { isSea } from "node:sea";
import { systemClock } from "../../common/clock.ts";
import { DEFAULT_ADDRESS, toHostPort } from "../../common/host-port.ts";
import { VERSION } from "../../common/version.ts";
import type { AdminHttp } from "../../server/admin-http.ts";
import { isHttpPortError } from "../../server/http-port.ts";
import { WorkerCrash } from "../../server/workers/index.ts";
import { createLogger } from "../../telemetry/logger.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";
import { type Terminal, writeLine } from "../output/terminal.ts";
import type { ResolvedSettings } from "../settings/conflicts.ts";
import type { Machine } from "../settings/machine.ts";
import { ceilingBytes, usableBytes } from "../settings/memory-model.ts";
import type { Settings } from "../settings/settings.ts";
import { TELEMETRY_FLUSH_MS } from "../telemetry/sdk.ts";
import { startTelemetrySdk } from "../telemetry/telemetry-sdk.ts";
import { createThreadMetrics } from "../telemetry/thread-metrics/collection.ts";
import type { AdminPortOptions } from "./admin-port.ts";
import { cannotListen } from "./cannot-listen.ts";
import { type ConfiguredServer, createConfiguredServer } from "./configured-server.ts";
import { protectionOf } from "./protection.ts";
import { tierIsReady } from "./tier.ts";

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
    try {
      const isReady =
        server.tier === undefined || (await tierIsReady(server.tier, settings, terminal.interrupted));
      if (isReady) await serve(server, { terminal, settings, logger, sdk });
    } finally {
      server.tier?.close();
    }
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

async function serve(configured: ConfiguredServer, serving: AdminPortOptions): Promise<void> {
  const { server, crashed, snapshot } = configured;
  const { terminal, settings, logger } = serving;
  const { workers, drainMaxMs } = settings;
  const listening = startListening(configured, settings);
  // Its code is loaded while the workers load theirs.
  const adminPort = settings.admin === "off" ? undefined : import("./admin-port.ts");
  const address = await listening;
  const http = server.httpAddress && `${settings.tlsCert === "" ? "http" : "https"}://${server.httpAddress}`;
  const startAdmin = async () => (await adminPort)?.startAdmin(serving, server);
  const admin = await startAdmin().catch(async (error: unknown) => {
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
