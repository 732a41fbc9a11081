/**
 * The admin port: metrics and health probes over HTTP, for monitoring systems, whose answers contain no data of the cache; and
 * the console with what it asks, which `admin-gateway.ts` serves.
 */
import type { Socket } from "node:net";
import { type TLSSocket, type TlsOptions, Server as TlsServer } from "node:tls";
import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { type Boundary, createBoundary } from "../common/boundary.ts";
import { systemClock } from "../common/clock.ts";
import { earlyResponses } from "../common/early-response.ts";
import type { Authenticator, CallOrigin } from "../security/identity/authenticator.ts";
import { refusalOfObserver } from "../security/observer.ts";
import type { ServerTls } from "../security/tls/server-tls.ts";
import type { Logger } from "../telemetry/telemetry.ts";
import { boundConnections } from "./admin-connections.ts";
import type { AdminGateway } from "./admin-gateway.ts";
import { createHostCheck } from "./admin-hosts.ts";
import {
  CertifiedPeers,
  type ClientRefused,
  peerOf,
  serverOptionsOf,
} from "./connections/certified-peers.ts";
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
  /** What `/stats` answers as JSON. Undefined: there is no such path. */
  readonly stats?: (() => object) | undefined;
  /** False while the server drains: load balancers then send it no new callers. */
  readonly ready: () => boolean;
  /** What else keeps it from taking calls, in a line. Undefined: nothing does. Default: nothing ever does. */
  readonly problem?: () => string | undefined;
  readonly logger: Logger;
  /** Undefined: without TLS. Where it asks clients for certificates, only probes are answered without one. */
  readonly tls: ServerTls | undefined;
  /**
   * Who clients with certificates are; those that a policy lets observe get metrics. Default: all of them do.
   */
  readonly authenticator?: Authenticator | undefined;
  /** Is told of clients that were refused for their certificates. Default: nobody is. */
  readonly refusedClient?: ClientRefused;
  /** Serves every path that is not of the port itself. Undefined: nothing more is served. */
  readonly gateway?: AdminGateway | undefined;
}

export interface AdminHttp {
  readonly host: string;
  readonly port: number;
  readonly encrypts: boolean;
  /** How many connections were closed since there were too many. */
  readonly refusedConnections: number;
  /** New connections get this certificate. Those end whose client certificate is of no such authority. */
  replaceTls(tls: ServerTls): void;
  /** Stops listening and closes all connections, also in the middle of a request. */
  close(): Promise<void>;
}

const INDEX = `meshcache admin

/metrics   Prometheus metrics
/healthz   200 while the process lives
/readyz    200 while it takes calls, 503 with the reason while it does not
`;

const STATS = "/stats     what has been counted, as JSON\n";
const CONSOLE = "/console/  the console\n";

/** What needs no client certificate: probes of Kubernetes show none, and the answers say next to nothing. */
const PROBES: ReadonlySet<string | undefined> = new Set(["/healthz", "/readyz"]);

/** What shows the counters of all namespaces. */
const METRICS: ReadonlySet<string | undefined> = new Set(["/metrics", "/stats"]);
/** Of refusals, by their reasons. */
const STATUSES: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  LIMIT_EXCEEDED: 429,
  UNAVAILABLE: 503,
};

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
    ...(tls === undefined ? { http } : { https: { ...http, ...toHttps(tls, boundary) } }),
    forceCloseConnections: true,
    // The default answers of Fastify repeat the path and the message of the error. They are replaced here and below.
    frameworkErrors: (error, _request, reply) => plain(reply, error.statusCode ?? 400, "bad request\n"),
  });
  addHostCheck(app, options);
  addRoutes(app, options);
  if (tls?.asksClients) addCertificateCheck(app, options);
  if (options.gateway !== undefined) addGateway(app, options.gateway);
  const certified = tls && identifyClients(app, tls, boundary, options);
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
      certified?.replace(replacing);
    },
    async close() {
      options.gateway?.close();
      certified?.close();
      await app.close();
    },
  };
}

function toHttps(tls: ServerTls, boundary: Boundary): TlsOptions {
  return {
    ...serverOptionsOf(tls, "http/1.1", boundary),
    // Refused in the answer, so that probes get theirs.
    rejectUnauthorized: false,
    handshakeTimeout: SILENCE_MAX_MS,
  };
}

function identifyClients(
  app: FastifyInstance,
  tls: ServerTls,
  boundary: Boundary,
  { refusedClient }: AdminHttpOptions,
): CertifiedPeers {
  if (!(app.server instanceof TlsServer)) throw new Error("the admin port has no TLS");
  const certified = new CertifiedPeers(app.server, tls, { clock: systemClock, boundary, refusedClient });
  app.server.on(
    "secureConnection",
    boundary.guard(undefined, (socket: TLSSocket) => {
      boundary.contain(socket);
      keepWhilePaused(socket, boundary);
      if (socket.authorized) certified.identify(socket);
    }),
  );
  return certified;
}

function addHostCheck(app: FastifyInstance, { host, hosts }: AdminHttpOptions): void {
  const isTaken = createHostCheck(host, hosts);
  app.addHook("onRequest", async ({ headers }, reply) => {
    if (!isTaken(headers.host)) await plain(reply, 421, "the host is not one of this port\n");
  });
}

function addCertificateCheck(app: FastifyInstance, { refusedClient, authenticator }: AdminHttpOptions): void {
  const origins = new WeakMap<Socket, CallOrigin>();
  const originOf = (socket: Socket): CallOrigin => {
    const known = origins.get(socket) ?? { host: socket.remoteAddress ?? "" };
    origins.set(socket, known);
    return known;
  };
  app.addHook("onRequest", async ({ socket, routeOptions, raw }, reply) => {
    const { url } = routeOptions;
    if (PROBES.has(url)) return;
    const peer = peerOf(socket);
    if (peer?.isValid(Date.now()) !== true) {
      refusedClient?.(socket.remoteAddress ?? "", "absent");
      await plain(reply, 401, "a client certificate is needed\n");
      return;
    }
    if (authenticator === undefined || !METRICS.has(url)) return;
    // Two headers, joined, are no token.
    const authorization = raw.headersDistinct.authorization?.join(", ");
    const observer = { peer, authorization, connection: originOf(socket) };
    const refusal = refusalOfObserver(authenticator, observer);
    if (refusal !== undefined) await plain(reply, STATUSES[refusal.reason] ?? 401, `${refusal.message}\n`);
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

function addRoutes(app: FastifyInstance, options: AdminHttpOptions): void {
  const { metricsText, ready, problem, logger, gateway, stats } = options;
  app.get("/", (_request, reply) =>
    plain(reply, 200, INDEX + (stats === undefined ? "" : STATS) + (gateway === undefined ? "" : CONSOLE)),
  );
  if (stats !== undefined) app.get("/stats", (_request, reply) => reply.send(stats()));
  app.get("/healthz", (_request, reply) => plain(reply, 200, "ok\n"));
  app.get("/readyz", (_request, reply) => {
    const why = ready() ? problem?.() : "draining";
    return why === undefined ? plain(reply, 200, "ready\n") : plain(reply, 503, `${why}\n`);
  });
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
