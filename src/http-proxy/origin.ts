/** The connections to the origin: requests go out by undici, and each answer comes as its head and a stream of its body. */
import { Readable } from "node:stream";
import { type Dispatcher, errors, Pool } from "undici";
import type { Boundary } from "../common/boundary.ts";
import { CacheError } from "../common/errors.ts";
import { fieldOf, type RawHeaders } from "./rules/header-fields.ts";
import type { ResponseHead } from "./rules/storing.ts";

export interface OriginRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: RawHeaders;
  readonly body: Readable | undefined;
  /** Told of interim answers. */
  readonly onInterim?: ((status: number, headers: RawHeaders) => void) | undefined;
}

export interface OriginResponse extends ResponseHead {
  readonly body: Readable;
}

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

interface Settle {
  readonly resolve: (response: OriginResponse) => void;
  readonly reject: (error: Error) => void;
}

/** One request, as undici tells of it. */
class OriginCall implements Dispatcher.DispatchHandler {
  readonly #request: OriginRequest;
  readonly #wallMs: () => number;
  readonly #requestedAtMs: number;
  readonly #boundary: Boundary;
  readonly #settle: Settle;
  #controller: Dispatcher.DispatchController | undefined;
  #body: Readable | undefined;
  #isAborted = false;

  constructor(request: OriginRequest, wallMs: () => number, boundary: Boundary, settle: Settle) {
    this.#request = request;
    this.#wallMs = wallMs;
    this.#requestedAtMs = wallMs();
    this.#boundary = boundary;
    this.#settle = settle;
  }

  /** Before the head of the answer: nobody waits for it. After it the body belongs to whoever has got it. */
  abort(): void {
    if (this.#body !== undefined) return;
    this.#isAborted = true;
    this.#settle.reject(cancelled());
    this.#controller?.abort(cancelled());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isAborted) controller.abort(cancelled());
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusMessage = "",
  ): void {
    const headers = toText(controller.rawHeaders);
    if (status < 200) {
      this.#request.onInterim?.(status, headers);
      return;
    }
    const body = this.#boundary.contain(
      new Readable({
        read: () => controller.resume(),
        destroy: (error, done) => {
          if (!body.readableEnded) controller.abort(error ?? cancelled());
          done(error);
        },
      }),
    );
    // Whoever reads it is told too; it may be before somebody does.
    body.on("error", () => {});
    this.#body = body;
    const times = { requestedAtMs: this.#requestedAtMs, respondedAtMs: this.#wallMs() };
    // Whoever has a clock gives a date to what came without one (RFC 9110, 6.6.1).
    if (fieldOf(headers, "date") === undefined)
      headers.push("date", new Date(times.respondedAtMs).toUTCString());
    this.#settle.resolve({ status, statusMessage, headers, times, body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause();
  }

  onResponseEnd(): void {
    this.#body?.push(null);
  }

  onResponseError(_controller: unknown, cause: Error): void {
    if (this.#body !== undefined) this.#body.destroy(cause);
    else this.#settle.reject(new CacheError("UNAVAILABLE", "the origin gave no answer", {}, { cause }));
  }
}

/** The origin has ended an idle connection while the request was on its way. */
function isLostConnection(error: unknown): boolean {
  const cause = error instanceof CacheError ? error.cause : undefined;
  if (!(cause instanceof errors.SocketError)) return false;
  return (cause.socket?.bytesRead ?? 0) > 0;
}

function toText(headers: Dispatcher.DispatchController["rawHeaders"]): string[] {
  if (!Array.isArray(headers)) return [];
  return headers.map((part) => (typeof part === "string" ? part : part.toString("latin1")));
}

function cancelled(): CacheError {
  return new CacheError("CANCELLED", "nobody waits for the answer of the origin");
}
