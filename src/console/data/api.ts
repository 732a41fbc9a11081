/** The RPCs of the server as the page calls them: over the Connect protocol, from the host that the page came from. */
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";

export interface Api {
  readonly admin: Client<typeof AdminService>;
  readonly cache: Client<typeof CacheService>;
}

export function createApi(transport: Transport): Api {
  return { admin: createClient(AdminService, transport), cache: createClient(CacheService, transport) };
}

const UNARY_TIMEOUT_MS = 5_000;

/** `token`: what is sent as a bearer token; undefined: none. It is asked for at each call. */
export function createPageTransport(token: () => string | undefined): Transport {
  const authorize: Interceptor = (next) => (request) => {
    const sent = token();
    if (sent !== undefined) request.header.set("authorization", `Bearer ${sent}`);
    return next(request);
  };
  // A stream is to stay open.
  const limit: Interceptor = (next) => async (request) =>
    request.stream || request.signal.aborted
      ? next(request)
      : next({
          ...request,
          signal: AbortSignal.any([request.signal, AbortSignal.timeout(UNARY_TIMEOUT_MS)]),
        });
  return createConnectTransport({
    // The page is at "console/" of it, behind a proxy perhaps with a path of its own.
    baseUrl: new URL("..", document.baseURI).href,
    useBinaryFormat: true,
    interceptors: [authorize, limit],
    fetch: (input, init) =>
      globalThis.fetch(input, { ...init, cache: "no-store", credentials: "same-origin" }),
  });
}
