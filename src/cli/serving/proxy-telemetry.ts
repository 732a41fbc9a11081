/** The telemetry of a proxy process: what the OTEL_* variables ask for, and its admin port. */
import { metrics } from "@opentelemetry/api";
import { type HostPort, toHostPort } from "../../common/host-port.ts";
import { VERSION } from "../../common/version.ts";
import { startAdminHttp } from "../../server/admin-http.ts";
import { createLogger } from "../../telemetry/logger.ts";
import type { Terminal } from "../output/terminal.ts";
import { asksForWholeSdk, wantsExport } from "../telemetry/environment.ts";
import { TELEMETRY_FLUSH_MS } from "../telemetry/sdk.ts";
import { startTelemetrySdk } from "../telemetry/telemetry-sdk.ts";
import { cannotListen } from "./cannot-listen.ts";

const ADMIN_CONNECTIONS_MAX = 64;

/** Undefined where there is neither an admin port nor somebody to send to: then nothing of it is loaded or recorded. */
export async function startProxyTelemetry(terminal: Terminal, hasAdmin: boolean) {
  const { env } = process;
  if (!hasAdmin && !wantsExport(env, "TRACES") && !wantsExport(env, "METRICS")) return undefined;
  const logger = createLogger({ level: "warn", destination: terminal.stderr });
  const sdk = await startTelemetrySdk({ serviceName: "meshcache-proxy", serviceVersion: VERSION, logger });
  // The client of the cache reports to what is registered. The whole SDK registers itself.
  if (!asksForWholeSdk(env)) metrics.setGlobalMeterProvider(sdk.meterProvider);
  return {
    providers: {
      tracerProvider: wantsExport(env, "TRACES") ? sdk.tracerProvider : undefined,
      meterProvider: sdk.meterProvider,
    },
    /** Resolves with the address. `stats`: what has been counted. Throws a CliError when it cannot listen. */
    async startAdmin(listen: HostPort, stats: () => object) {
      try {
        const admin = await startAdminHttp({
          ...listen,
          hosts: "",
          connectionsMax: ADMIN_CONNECTIONS_MAX,
          metricsText: sdk.metricsText,
          stats,
          ready: () => !terminal.interrupted.aborted,
          logger,
          tls: undefined,
        });
        return { address: toHostPort(admin.host, admin.port), close: () => admin.close() };
      } catch (error) {
        throw cannotListen("admin", toHostPort(listen.host, listen.port), error);
      }
    },
    shutdown: () => sdk.shutdown(TELEMETRY_FLUSH_MS),
  };
}
