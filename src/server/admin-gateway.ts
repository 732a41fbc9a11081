/**
 * The gateway of the admin port: what the console asks, by the Connect protocol. It serves over the store of the process, with
 * limits of its own, and answers for all threads.
 *
 * Without an identity it serves loopback alone unless the operator says otherwise, and nothing that changes the store unless that is asked for.
 */
import { isLoopback } from "../common/host-port.ts";
import { BrowserRules } from "../gateway/browser-rules.ts";
import { ConsolePage, type PageFiles } from "../gateway/console-page.ts";
import { answerText, HttpGateway, type Route } from "../gateway/gateway.ts";
import type { Security } from "../security/security.ts";
import type { Backend } from "../store/api/backend.ts";
import { createProcessBounds } from "./limits/quotas.ts";
import { createRpcRoute } from "./rpc-route.ts";
import { createServiceHost, type OperatorView } from "./service-host.ts";
import { endDeniedStreams } from "./streams/stream-registry.ts";

export interface AdminGatewayOptions {
  readonly store: Backend;
  readonly operators: OperatorView;
  /** Who may call. */
  readonly security: Security;
  /** Where the port listens. */
  readonly host: string;
  /** Whether callers without an identity may change the store. */
  readonly anonymousWrites: boolean;
  /** Whether they are served beyond loopback. */
  readonly anonymousBeyondLoopback: boolean;
  readonly page: PageFiles;
}

export interface AdminGateway extends Route {
  /** Ends the streams that are not permitted any more. */
  checkStreams(): void;
  close(): void;
}

const NEEDS_IDENTITY =
  "the console is served beyond loopback only to callers with an identity: set tokens, jwtIssuers or tlsClientCa, or console: anonymous\n";

export function createAdminGateway(options: AdminGatewayOptions): AdminGateway {
  const { store, operators, security, host, anonymousWrites, anonymousBeyondLoopback, page } = options;
  const { transport, telemetry, facts, limits, startedMs, workers, inquiry } = operators;
  const services = createServiceHost(
    { store, telemetry, facts, limits },
    transport,
    {
      bounds: createProcessBounds(transport),
      startedMs,
      // The number behind those that serve calls.
      worker: workers,
      workers,
      inquiryOf: () => inquiry,
    },
    security,
    operators.observation,
  );
  const { calls, streams } = services;
  const isAnonymous = security.authenticator === undefined;
  const readOnly = isAnonymous && !anonymousWrites;
  const rpc = createRpcRoute(services, readOnly);
  const isServed = !isAnonymous || anonymousBeyondLoopback || isLoopback(host);
  const gateway = new HttpGateway(new BrowserRules([]), isServed ? [rpc, new ConsolePage(page)] : [REFUSING]);
  return {
    serve: (request, response) => gateway.serve(request, response),
    checkStreams() {
      calls.compareIdentities();
      endDeniedStreams(streams);
    },
    close: () => calls.close(),
  };
}

const REFUSING: Route = {
  serve(_request, response) {
    answerText(response, 403, NEEDS_IDENTITY);
    return true;
  },
};
