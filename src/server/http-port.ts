/** The HTTP port of a server: the gateway behind a listener, with the names and the origins that it answers. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { BrowserRules } from "../gateway/browser-rules.ts";
import { EDGE_HEADERS } from "../gateway/edge-request.ts";
import { EdgeRoute } from "../gateway/edge-route.ts";
import { answerText, HttpGateway } from "../gateway/gateway.ts";
import type { ServerTls } from "../security/tls/server-tls.ts";
import { createHostCheck } from "./admin-hosts.ts";
import type { ClientRefused } from "./connections/certified-peers.ts";
import { Http1Listener } from "./connections/http1-listener.ts";
import type { Quota } from "./limits/quotas.ts";
import { createRpcRoute } from "./rpc-route.ts";
import type { ServiceHost } from "./service-host.ts";

export interface HttpPortOptions {
  /** "HOST:PORT", an IPv6 host in brackets; port 0 picks a free one. */
  readonly listen: string;
  /**
   * Names that requests may have for it, separated by commas; "*." and a name for all below it. IP addresses, names without a dot
   * and the host of `listen` need none. Default: no others.
   */
  readonly hosts?: string;
  /** Origins whose pages may call it, as browsers send them: "https://shop.example"; "*" for all. Default: its own alone. */
  readonly origins?: readonly string[];
}

const HTTP_PORT = Symbol("http port");

/** Marks an error as one of the HTTP port, and returns it. */
export function asHttpPortError(error: unknown): unknown {
  return error instanceof Error ? Object.assign(error, { [HTTP_PORT]: true }) : error;
}

/** Whether it was the HTTP port of a server that could not listen, and not the gRPC port. */
export function isHttpPortError(error: unknown): boolean {
  return error instanceof Error && HTTP_PORT in error;
}

export interface HttpPortDeps {
  readonly host: ServiceHost;
  readonly tls: ServerTls | undefined;
  readonly quota: Quota;
  readonly sharesPort: boolean;
  /** Where it listens, without the port. */
  readonly listenHost: string;
  readonly refusedClient: ClientRefused;
}

export function createHttpPort(
  { hosts = "", origins = [] }: HttpPortOptions,
  deps: HttpPortDeps,
): Http1Listener {
  const { host, tls, quota, sharesPort, listenHost, refusedClient } = deps;
  const { boundary, clock, transport } = host;
  const isOwnHost = createHostCheck(listenHost, hosts);
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    if (!isOwnHost(request.headers.host)) answerText(response, 421, "the host is not one of this port\n");
    else if (!gateway.serve(request, response)) answerText(response, 404, "not found\n");
  };
  const listener = new Http1Listener({
    limits: transport,
    clock,
    boundary,
    tls,
    quota,
    sharesPort,
    refusedClient,
    turns: host.calls.register,
    serve,
  });
  const rpc = createRpcRoute(host, false);
  const edge = new EdgeRoute({
    methods: host.services.all.flat(),
    rpc,
    register: host.calls.register,
    telemetry: host.telemetry,
    boundary,
    limits: host.limits,
  });
  const gateway = new HttpGateway(new BrowserRules(origins, EDGE_HEADERS), [rpc, edge]);
  return listener;
}
