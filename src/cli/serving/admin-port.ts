/** Opens the admin port of a server process, with the console. */
import { createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { parseListenAddress } from "../../common/host-port.ts";
import { checkExposure, openSecurity, type Security } from "../../security/security.ts";
import type { ServerTls } from "../../security/tls/server-tls.ts";
import { type AdminGateway, createAdminGateway } from "../../server/admin-gateway.ts";
import { type AdminHttp, startAdminHttp } from "../../server/admin-http.ts";
import type { CacheServer } from "../../server/index.ts";
import { observeAdmin } from "../../telemetry/observation.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import type { Terminal } from "../output/terminal.ts";
import type { Settings } from "../settings/settings.ts";
import type { TelemetrySdk } from "../telemetry/telemetry-sdk.ts";
import { cannotListen } from "./cannot-listen.ts";
import { readConsoleFiles } from "./console-files.ts";
import { adminSecurityOptions, consoleLacksIdentity, consoleSecurityOptions } from "./security-options.ts";

export interface AdminPortOptions {
  readonly terminal: Terminal;
  readonly settings: Settings;
  readonly logger: Logger;
  readonly sdk: TelemetrySdk;
}

/** Undefined: it is off. Throws a CliError when it cannot listen. */
export async function startAdmin(
  { terminal, settings, sdk, logger }: AdminPortOptions,
  server: CacheServer,
): Promise<AdminHttp | undefined> {
  const { admin, adminHosts: hosts, adminConnectionsMax: connectionsMax } = settings;
  const endpoint = parseListenAddress(admin);
  if (endpoint === undefined) return undefined; // "off"
  try {
    const { backend } = server;
    const ready = () => !terminal.interrupted.aborted;
    const problem = () => (backend.remote ? backend.problem() : undefined);
    const { metricsText, meterProvider } = sdk;
    checkExposure(adminSecurityOptions(settings), endpoint.host);
    const security = openSecurity(consoleSecurityOptions(settings), endpoint.host);
    const gateway = openConsole(settings, endpoint.host, server, security);
    const http = await startAdminHttp({
      ...endpoint,
      gateway,
      hosts,
      connectionsMax,
      metricsText,
      ready,
      problem,
      logger,
      tls: security.tls?.value,
      refusedClient: security.refusedClient,
      authenticator: security.authenticator,
    });
    observeAdmin(meterProvider, { refusedConnections: () => http.refusedConnections });
    const boundary = createBoundary((error) => {
      logger.error({ err: error }, "the files of the admin port cannot be followed");
    });
    const target = {
      replaceTls: (tls: ServerTls) => http.replaceTls(tls),
      checkStreams: () => gateway?.checkStreams(),
    };
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
  { backend, operators }: Pick<CacheServer, "backend" | "operators">,
  security: Security,
): AdminGateway | undefined {
  if (settings.console === "off" || consoleLacksIdentity(settings)) return undefined;
  return createAdminGateway({
    store: backend,
    operators,
    security,
    host,
    anonymousWrites: settings.consoleWrite,
    anonymousBeyondLoopback: settings.console === "anonymous",
    page: readConsoleFiles(),
  });
}
