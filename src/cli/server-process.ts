/** One life of a server: telemetry, store, gRPC port and admin port, from their start to the end of the drain. */
import { once } from "node:events";
import { type AdminHttp, startAdminHttp } from "../server/admin-http.ts";
import { type CacheServer, createServer, createStore } from "../server/index.ts";
import { packageVersion } from "../server/version.ts";
import { createLogger } from "../telemetry/logger.ts";
import { createTelemetry } from "../telemetry/otel-telemetry.ts";
import type { Logger, Telemetry } from "../telemetry/telemetry.ts";
import { CliError, EXIT } from "./exit-codes.ts";
import { parseEndpoint, toEndpointText } from "./settings/endpoint.ts";
import type { Settings } from "./settings/settings.ts";
import { startTelemetrySdk, type TelemetrySdk } from "./telemetry-sdk.ts";
import { type Terminal, writeLine } from "./terminal.ts";

const VERSION = packageVersion();
const TELEMETRY_FLUSH_MS = 2_000;
const DEFAULT_LISTEN = "127.0.0.1:50051";

/** Resolves when the server has drained after the terminal's interruption; rejects when it cannot start. */
export async function runServer(terminal: Terminal, settings: Settings): Promise<void> {
  const logger = createLogger({ level: settings.logLevel, destination: terminal.stderr });
  const sdk = startTelemetrySdk({ serviceVersion: VERSION, logger });
  const server = createServer({
    store: createStore({
      engine: settings.storeEngine,
      shards: settings.shards,
      budgetBytes: settings.storeBudgetBytes,
      logMaxEvents: settings.logMaxEvents,
      logMaxBytes: settings.logMaxBytes,
      tagFencesMax: settings.tagFencesMax,
      prefixFencesMax: settings.prefixFencesMax,
      tombstonesMax: settings.tombstonesMax,
      leasesMax: settings.leasesMax,
      waitersMax: settings.leaseWaitersMax,
      requestIdsMax: settings.requestIdsMax,
    }),
    listen: settings.listen,
    limits: settings,
    transport: settings,
    telemetry: observedToTheEnd(createTelemetry({ ...sdk, logger })),
  });
  try {
    const address = await startListening(server, settings.listen);
    const admin = await startAdmin(terminal, settings.admin, sdk, logger).catch(async (error: unknown) => {
      await server.close();
      throw error;
    });
    logger.info({ listen: address, admin: admin && adminUrl(admin), version: VERSION }, "serving");
    await announce(terminal, address, admin);
    if (!terminal.interrupted.aborted) await once(terminal.interrupted, "abort");

    logger.info({ signal: terminal.interrupted.reason, drainMaxMs: settings.drainMaxMs }, "draining");
    await server.drain();
    await admin?.close();
    logger.info({}, "stopped");
  } finally {
    await sdk.shutdown(TELEMETRY_FLUSH_MS);
  }
}

/** The last export comes after the server's end, and is to have the store's last counts. */
function observedToTheEnd(telemetry: Telemetry): Telemetry {
  const observeProcess: Telemetry["observeProcess"] = (store, process) => {
    telemetry.observeProcess(store, process);
    return () => {};
  };
  const observeThread: Telemetry["observeThread"] = (thread) => {
    telemetry.observeThread(thread);
    return () => {};
  };
  return { ...telemetry, observeProcess, observeThread };
}

async function startListening(server: CacheServer, listen: string): Promise<string> {
  try {
    return await server.start();
  } catch (error) {
    throw cannotListen("listen", listen, error);
  }
}

async function startAdmin(
  { interrupted }: Terminal,
  admin: string,
  { metricsText }: TelemetrySdk,
  logger: Logger,
): Promise<AdminHttp | undefined> {
  const endpoint = parseEndpoint(admin);
  if (endpoint === undefined) return undefined; // "off"
  try {
    return await startAdminHttp({ ...endpoint, metricsText, ready: () => !interrupted.aborted, logger });
  } catch (error) {
    throw cannotListen("admin", admin, error, " (port 0 picks a free one, off does without)");
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "not permitted",
  ENOTFOUND: "no such host",
};

function cannotListen(setting: "listen" | "admin", address: string, error: unknown, advice = ""): CliError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  const message = `cannot listen on ${address}: ${why}; --${setting} names another${advice}`;
  return new CliError(EXIT.unavailable, "CANNOT_LISTEN", message, { cause: error });
}

function adminUrl({ host, port }: AdminHttp): string {
  return `http://${toEndpointText(host, port)}`;
}

async function announce({ stdout }: Terminal, address: string, admin: AdminHttp | undefined): Promise<void> {
  // Run from the sources, "meshcache" is on nobody's PATH; npm knows it in both cases.
  const command = import.meta.url.endsWith(".ts") ? "npm run -s meshcache --" : "npx meshcache";
  const there = address === DEFAULT_LISTEN ? "" : ` --address ${address}`;
  const lines = [
    `meshcache ${VERSION} listens on ${address}`,
    ...(admin === undefined ? [] : [`metrics and health on ${adminUrl(admin)}`]),
    "",
    "Try it from another terminal:",
    `  ${command} set greeting hello${there} && ${command} get greeting${there}`,
  ];
  await writeLine(stdout, lines.join("\n"));
}
