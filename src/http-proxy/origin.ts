/** The connections to the origin: requests go out by undici, and each answer comes as its head and a stream of its body. */
import { type Dispatcher, errors, Pool } from "undici";
import type { Boundary } from "../common/boundary.ts";
import { CacheError } from "../common/errors.ts";
import {
  cancelled,
  OriginCall,
  type OriginRequest,
  type OriginResponse,
  type Settle,
} from "./origin-call.ts";
import { type RawHeaders, without } from "./rules/header-fields.ts";
import type { Counts } from "./telemetry/counts.ts";
import type { ProxyTelemetry } from "./telemetry/proxy-telemetry.ts";

export interface OriginOptions {
  /** "http://host:port" */
  readonly origin: string;
  /** How long the head of an answer, and each part of its body, may take. */
  readonly timeoutMs: number;
  /** How many connections there may be. */
  readonly connectionsMax: number;
  /** How many requests may wait for a connection. More are refused. */
  readonly waitingMax: number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly counts: Counts;
  readonly telemetry: ProxyTelemetry;
}

const CONNECT_TIMEOUT_MS = 5_000;
const HEADERS_MAX_BYTES = 64 * 1024;
const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export class Origin {
  readonly #options: OriginOptions;
  readonly #boundary: Boundary;
  readonly #pool: Pool;

  constructor(options: OriginOptions, boundary: Boundary) {
    this.#options = options;
    this.#boundary = boundary;
    this.#pool = new Pool(options.origin, {
      connections: options.connectionsMax,
      pipelining: 1,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      connectTimeout: CONNECT_TIMEOUT_MS,
      maxHeaderSize: HEADERS_MAX_BYTES,
    });
  }

  /**
   * Resolves with the head of the final answer. Rejects with LIMIT_EXCEEDED when too many requests wait, with CANCELLED when
   * `signal` is aborted before, and with UNAVAILABLE when there is no answer. A GET or HEAD is asked again, once, where the origin
   * has ended a connection that it had answered on before: it may not have seen the request.
   */
  async fetch(request: OriginRequest, signal: AbortSignal): Promise<OriginResponse> {
    try {
      return await this.#ask(request, signal);
    } catch (error) {
      const mayRepeat = request.body === undefined && REPEATABLE.has(request.method) && !signal.aborted;
      if (!mayRepeat || !isLostConnection(error)) throw error;
      return this.#ask(request, signal);
    }
  }

  /** Requests that wait for a connection. */
  get waiting(): number {
    return this.#pool.stats.queued;
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  #ask(request: OriginRequest, signal: AbortSignal): Promise<OriginResponse> {
    const { waitingMax, counts } = this.#options;
    if (this.waiting >= waitingMax) {
      counts.refusedByLimit.waiting += 1;
      const detail = { limit: "waitingMax", bound: String(waitingMax) };
      return Promise.reject(
        new CacheError("LIMIT_EXCEEDED", "too many requests wait for the origin", detail),
      );
    }
    if (signal.aborted) return Promise.reject(cancelled());
    return new Promise((resolve, reject) => this.#dispatch(request, signal, { resolve, reject }));
  }

  #dispatch(request: OriginRequest, signal: AbortSignal, settle: Settle): void {
    const { wallMs, counts, telemetry } = this.#options;
    const { method, target, body, span } = request;
    counts.originRequests += 1;
    const exchange = telemetry.startOrigin(method, span);
    const onBytes = (count: number) => {
      counts.originBytes += count;
    };
    const call = new OriginCall(request, { wallMs, boundary: this.#boundary, exchange, onBytes }, settle);
    signal.addEventListener(
      "abort",
      this.#boundary.guard(undefined, () => call.abort()),
      { once: true },
    );
    const headers = withTrace(request.headers, exchange.traceparent);
    this.#pool.dispatch(
      { method: method as Dispatcher.HttpMethod, path: target, headers, body: body ?? null },
      call,
    );
  }
}

function withTrace(headers: RawHeaders, traceparent: string | undefined): string[] {
  if (traceparent === undefined) return [...headers];
  return [...without(headers, (name) => name === "traceparent"), "traceparent", traceparent];
}

/** The origin has ended an idle connection while the request was on its way. */
function isLostConnection(error: unknown): boolean {
  const cause = error instanceof CacheError ? error.cause : undefined;
  if (!(cause instanceof errors.SocketError)) return false;
  return (cause.socket?.bytesRead ?? 0) > 0;
}
