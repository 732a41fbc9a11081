/**
 * The admin port: metrics and health probes over HTTP, for monitoring systems, whose answers contain no data of the cache; and
 * the console with what it asks, which `admin-gateway.ts` serves.
 */
import { type TlsOptions as SecureOptions, TLSSocket, Server as TlsServer } from "node:tls";
import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { createBoundary } from "../common/boundary.ts";
import type { ServerTls } from "../security/tls/server-tls.ts";
import type { Logger } from "../telemetry/telemetry.ts";
import { boundConnections } from "./admin-connections.ts";
import type { AdminGateway } from "./admin-gateway.ts";
import { createHostCheck } from "./admin-hosts.ts";
import { earlyResponses } from "./connections/early-response.ts";
import { keepWhilePaused } from "./connections/tls-backpressure.ts";

export interface AdminHttpOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Names that requests may have for it: see `createHostCheck`. */
  readonly hosts: string;
  /** Beyond it, connections without a request are closed. */
  readonly connectionsMax: number;
  /** All metrics in the Prometheus text format. */
  readonly metricsText: () => Promise<string>;
  /** False while the server drains: load balancers then send it no new callers. */
  readonly ready: () => boolean;
  readonly logger: Logger;
  /** Undefined: without TLS. Where it asks clients for certificates, only probes are answered without one. */
  readonly tls: ServerTls | undefined;
  /** Serves every path that is not of the port itself. Undefined: nothing more is served. */
  readonly gateway?: AdminGateway | undefined;
}

export interface AdminHttp {
  readonly host: string;
  readonly port: number;
  readonly encrypts: boolean;
  /** How many connections were closed since there were too many. */
  readonly refusedConnections: number;
  /** New connections get this certificate. */
  replaceTls(tls: ServerTls): void;
  /** Stops listening and closes all connections, also in the middle of a request. */
  close(): Promise<void>;
}

const INDEX = `meshcache admin

/metrics   Prometheus metrics
/healthz   200 while the process lives
/readyz    200 while it takes calls, 503 while it drains
`;

const CONSOLE = "/console/  the console\n";

/** What needs no client certificate: probes of Kubernetes show none, and the answers say next to nothing. */
const PROBES: ReadonlySet<string | undefined> = new Set(["/healthz", "/readyz"]);

const PLAIN_TEXT = "text/plain; charset=utf-8";
const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";
const BODY_MAX_BYTES = 1_024;
/** Room for a token of the greatest size and all else. */
const HEADERS_MAX_BYTES = 16 * 1_024;
/** A connection whose request has not begun, or whose headers have not come, is closed after this. */
const SILENCE_MAX_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** How often the times are checked. */
const CHECK_INTERVAL_MS = 1_000;

const HTTP_OPTIONS = {
  headersTimeout: SILENCE_MAX_MS,
  connectionsCheckingInterval: CHECK_INTERVAL_MS,
  maxHeaderSize: HEADERS_MAX_BYTES,
};

/** Resolves when it listens; rejects when it cannot listen on the address. */
export async function startAdminHttp(options: AdminHttpOptions): Promise<AdminHttp> {
  const { tls } = options;
  const boundary = createBoundary((error) => {
    options.logger.error({ err: error }, "a callback of the admin port failed");
  });
  const http = { ...HTTP_OPTIONS, ServerResponse: earlyResponses(boundary) };
  const app = fastify({
    logger: false,
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    ...(tls === undefined ? { http } : { https: { ...http, ...toHttps(tls) } }),
    forceCloseConnections: true,
    // The default answers of Fastify repeat the path and the message of the error. They are replaced here and below.
    frameworkErrors: (error, _request, reply) => plain(reply, error.statusCode ?? 400, "bad request\n"),
  });
  addHostCheck(app, options);
  addRoutes(app, options);
  if (tls?.asksClients) addCertificateCheck(app);
  if (options.gateway !== undefined) addGateway(app, options.gateway);
  if (tls !== undefined)
    app.server.on(
      "secureConnection",
      boundary.guard(undefined, (socket: TLSSocket) => keepWhilePaused(socket, boundary)),
    );
  const connections = boundConnections(app.server, options.connectionsMax, boundary);
  await app.listen({ host: options.host, port: options.port });
  const address = app.server.address();
  if (address === null || typeof address === "string") throw new Error("the admin port has no address");
  return {
    host: address.address,
    port: address.port,
    encrypts: tls !== undefined,
    get refusedConnections() {
      return connections.refused;
    },
    replaceTls(replacing) {
      if (app.server instanceof TlsServer) app.server.setSecureContext(replacing.options);
    },
    async close() {
      options.gateway?.close();
      await app.close();
    },
  };
}

function toHttps({ options, asksClients }: ServerTls): SecureOptions {
  return {
    ...options,
    requestCert: asksClients,
    // Refused in the answer, so that probes get theirs.
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: SILENCE_MAX_MS,
  };
}

function addHostCheck(app: FastifyInstance, { host, hosts }: AdminHttpOptions): void {
  const isTaken = createHostCheck(host, hosts);
  app.addHook("onRequest", async ({ headers }, reply) => {
    if (!isTaken(headers.host)) await plain(reply, 421, "the host is not one of this port\n");
  });
}

function addCertificateCheck(app: FastifyInstance): void {
  app.addHook("onRequest", async ({ socket, routeOptions }, reply) => {
    const isKnown = socket instanceof TLSSocket && socket.authorized;
    if (!isKnown && !PROBES.has(routeOptions.url))
      await plain(reply, 401, "a client certificate is needed\n");
  });
}

/** Takes over whole requests, bodies included. */
function addGateway(app: FastifyInstance, gateway: AdminGateway): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    for (const url of [
      "/console",
      "/console/*",
      "/meshcache.v1.CacheService/*",
      "/meshcache.v1.AdminService/*",
    ]) {
      scope.all(url, async (request, reply) => {
        reply.hijack();
        if (!gateway.serve(request.raw, reply.raw)) reply.raw.writeHead(404).end();
      });
    }
  });
}

function addRoutes(app: FastifyInstance, { metricsText, ready, logger, gateway }: AdminHttpOptions): void {
  app.get("/", (_request, reply) => plain(reply, 200, gateway === undefined ? INDEX : INDEX + CONSOLE));
  app.get("/healthz", (_request, reply) => plain(reply, 200, "ok\n"));
  app.get("/readyz", (_request, reply) =>
    ready() ? plain(reply, 200, "ready\n") : plain(reply, 503, "draining\n"),
  );
  app.get("/metrics", async (_request, reply) => reply.type(PROMETHEUS_TEXT).send(await metricsText()));

  app.setNotFoundHandler((_request, reply) => plain(reply, 404, "not found\n"));
  app.setErrorHandler((error: { readonly statusCode?: number }, _request, reply) => {
    const code = error.statusCode ?? 500;
    if (code >= 500) logger.error({ err: error }, "an admin request failed");
    return plain(reply, code, code >= 500 ? "internal error\n" : "bad request\n");
  });
}

function plain(reply: FastifyReply, code: number, text: string): FastifyReply {
  return reply.code(code).type(PLAIN_TEXT).send(text);
}
