/** The connections to the origin: requests go out by undici, and each answer comes as its head and a stream of its body. */
import { type Dispatcher, errors, Pool } from "undici";
import type { Boundary } from "../common/boundary.ts";
import { CacheError } from "../common/errors.ts";
import { cancelled, OriginCall, type OriginRequest, type OriginResponse } from "./origin-call.ts";

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

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  #ask(request: OriginRequest, signal: AbortSignal): Promise<OriginResponse> {
    const { waitingMax, wallMs } = this.#options;
    if (this.#pool.stats.queued >= waitingMax) {
      const detail = { limit: "waitingMax", bound: String(waitingMax) };
      return Promise.reject(
        new CacheError("LIMIT_EXCEEDED", "too many requests wait for the origin", detail),
      );
    }
    return new Promise((resolve, reject) => {
      const call = new OriginCall(request, wallMs, this.#boundary, { resolve, reject });
      if (signal.aborted) {
        reject(cancelled());
        return;
      }
      signal.addEventListener(
        "abort",
        this.#boundary.guard(undefined, () => call.abort()),
        { once: true },
      );
      const { method, target, headers, body } = request;
      this.#pool.dispatch(
        { method: method as Dispatcher.HttpMethod, path: target, headers: [...headers], body: body ?? null },
        call,
      );
    });
  }
}

/** The origin has ended an idle connection while the request was on its way. */
function isLostConnection(error: unknown): boolean {
  const cause = error instanceof CacheError ? error.cause : undefined;
  if (!(cause instanceof errors.SocketError)) return false;
  return (cause.socket?.bytesRead ?? 0) > 0;
}
