/** A caching reverse proxy for an HTTP service, over the mesh cache. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { MeshCache } from "../client/mesh-cache.ts";
import { createBoundary } from "../common/boundary.ts";
import { ByteBudget } from "../common/byte-budget.ts";
import { type Clock, systemClock } from "../common/clock.ts";
import type { HostPort } from "../common/host-port.ts";
import { ClientAnswer } from "./client-answer.ts";
import { createHostCheck } from "./hosts.ts";
import { HttpListener, PEER_TIMES, type PeerTimes } from "./listener.ts";
import { Origin } from "./origin.ts";
import { Passing } from "./passing.ts";
import { toProxiedRequest } from "./proxied-request.ts";
import { Purge } from "./purge.ts";
import { Reads } from "./reads.ts";
import { refusalOf } from "./request-check.ts";
import { ResponseStore } from "./response-store.ts";
import { StoredHeads } from "./stored-heads.ts";
import { type Counts, createCounts } from "./telemetry/counts.ts";
import { type Providers, ProxyTelemetry } from "./telemetry/proxy-telemetry.ts";
import type { OriginAddress } from "./telemetry/request-span.ts";
import { Writes } from "./writes.ts";

export interface HttpProxyOptions {
  /** Keeps the responses. */
  readonly cache: MeshCache;
  /** Where they are kept; default "responses", as those of gRPC: a write of either kind can invalidate both. */
  readonly namespace?: string;
  /** "http://host:port" or "https://host:port", without a path. */
  readonly origin: string;
  readonly listen: HostPort;
  /** Names that requests may have for the proxy, beside IP addresses, "localhost" and the host of the origin. */
  readonly hosts?: readonly string[];
  /** How long the origin may take for the head of an answer, and for each part of its body: 1 to 58,000 ms; default 30,000. */
  readonly timeoutMs?: number;
  /** The longest body that is kept, in bytes; longer ones are passed through. Default 1,000,000; the server has a bound of its own. */
  readonly bodyMaxBytes?: number;
  /** Whoever sends it as a bearer token may PURGE. Default: nobody may. */
  readonly purgeToken?: string;
  /** Where metrics and spans go. Default: nowhere. */
  readonly telemetry?: Providers;
  /** Told of faults of the proxy itself, once for each cause. */
  readonly onFault?: (error: unknown) => void;
}

export interface HttpProxy {
  /** "HOST:PORT" */
  readonly address: string;
  readonly counts: Readonly<Counts>;
  /** Of clients, that are open. */
  readonly connections: number;
  /** `graceMs`: how long what is under way may take; default 5,000. */
  close(graceMs?: number): Promise<void>;
}

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);
const GRACE_MS = 5_000;

/** What a proxy may hold at a time. */
export interface ProxyBounds {
  /** Connections of clients. More are ended at once. */
  readonly connections: number;
  /** Connections to the origin. */
  readonly originConnections: number;
  /** Requests that wait for one of them. More are answered with 503. */
  readonly waiting: number;
  /** Bytes of bodies that are on their way into the cache. More are handed on and not kept. */
  readonly recordedBytes: number;
}

const BOUNDS: ProxyBounds = {
  connections: 16_384,
  originConnections: 256,
  waiting: 4_096,
  recordedBytes: 64 * 2 ** 20,
};

/** What a test replaces. */
export interface HttpProxyInternals {
  readonly clock?: Pick<Clock, "wallMs">;
  readonly peerTimes?: Partial<PeerTimes>;
  readonly bounds?: Partial<ProxyBounds>;
}

/** Resolves once it listens. Rejects when it cannot, and with FIELD_INVALID for a namespace that is none. */
export async function startHttpProxy(
  options: HttpProxyOptions,
  { clock = systemClock, peerTimes, bounds }: HttpProxyInternals = {},
): Promise<HttpProxy> {
  const { timeoutMs = 30_000, bodyMaxBytes = 1_000_000, namespace = "responses" } = options;
  const boundary = createBoundary(options.onFault ?? (() => {}));
  const wallMs = () => clock.wallMs();
  const url = new URL(options.origin);
  const { connections, originConnections, waiting, recordedBytes } = { ...BOUNDS, ...bounds };
  const counts = createCounts();
  const telemetry = new ProxyTelemetry(options.telemetry, namespace, addressOf(url));
  const origin = new Origin(
    {
      origin: url.origin,
      timeoutMs,
      connectionsMax: originConnections,
      waitingMax: waiting,
      wallMs,
      counts,
      telemetry,
    },
    boundary,
  );
  const closing = new AbortController();
  const passing = new Passing(origin, boundary, closing.signal);
  const store = new ResponseStore(options.cache, namespace, url.origin, timeoutMs);
  const budget = new ByteBudget(recordedBytes);
  const deps = { origin, store, budget, bodyMaxBytes, wallMs, boundary, counts };
  const reads = new Reads(deps, passing);
  const writes = new Writes(store, passing, url.origin, counts, boundary);
  const purge = new Purge(store, options.purgeToken, counts);
  const isOwnHost = createHostCheck([...(options.hosts ?? []), url.hostname, options.listen.host]);

  const answerDeps = { boundary, counts, heads: new StoredHeads(url.origin) };

  /** Connections with a request whose end is not clear: what comes after it is not looked at. */
  const ended = new WeakSet<Socket>();
  const serve = (message: IncomingMessage, response: ServerResponse): void => {
    if (ended.has(message.socket)) return;
    const { method = "GET", headers } = message;
    const span = telemetry.startRequest(method, (name) => lineOf(headers[name]));
    const answer = new ClientAnswer(boundary.contain(response), answerDeps, span);
    const refusal = refusalOf(message, isOwnHost);
    if (refusal !== undefined) {
      answer.outcome("refused");
      answer.refuse(refusal.status, refusal.text, refusal.endsConnection ? { connection: "close" } : {});
      if (refusal.endsConnection) ended.add(message.socket);
      return;
    }
    const request = toProxiedRequest(message, span);
    const handler = request.method === "PURGE" ? purge : READS.has(request.method) ? reads : writes;
    const run = () => handler.serve(request, answer);
    const served = span === undefined ? run() : span.run(run);
    served.catch((error: unknown) => boundary.caught(response, error));
  };
  const listener = new HttpListener(boundary, connections, { ...PEER_TIMES, ...peerTimes }, serve, () => {
    counts.refusedByLimit.connections += 1;
  });
  const unobserve = telemetry.observe({
    counts,
    connections: () => listener.connections,
    waiting: () => origin.waiting,
    recordedBytes: () => budget.bytes,
  });
  return {
    address: await listener.start(options.listen),
    counts,
    get connections() {
      return listener.connections;
    },
    close: async (graceMs = GRACE_MS) => {
      await listener.drain(graceMs);
      closing.abort();
      await origin.close();
      unobserve();
    },
  };
}

function addressOf({ hostname, port, protocol }: URL): OriginAddress {
  return { host: hostname, port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port) };
}

function lineOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
