/** One request to the origin, as undici tells of it: its head, and a stream of its body. */
import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { Boundary } from "../common/boundary.ts";
import { CacheError } from "../common/errors.ts";
import { fieldOf, type RawHeaders } from "./rules/header-fields.ts";
import type { ResponseHead } from "./rules/storing.ts";
import type { OriginExchange } from "./telemetry/proxy-telemetry.ts";
import type { RequestSpan } from "./telemetry/request-span.ts";

export interface OriginRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: RawHeaders;
  readonly body: Readable | undefined;
  /** Told of interim answers. */
  readonly onInterim?: ((status: number, headers: RawHeaders) => void) | undefined;
  /** Of the client that it is asked for. */
  readonly span: RequestSpan | undefined;
}

export interface OriginResponse extends ResponseHead {
  readonly body: Readable;
}

/** What Node would refuse to send on. */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

export interface CallDeps {
  readonly wallMs: () => number;
  readonly boundary: Boundary;
  readonly exchange: OriginExchange;
  /** Told of bytes of bodies. */
  readonly onBytes: (count: number) => void;
}

export interface Settle {
  readonly resolve: (response: OriginResponse) => void;
  readonly reject: (error: Error) => void;
}

export class OriginCall implements Dispatcher.DispatchHandler {
  readonly #request: OriginRequest;
  readonly #deps: CallDeps;
  readonly #requestedAtMs: number;
  readonly #settle: Settle;
  #controller: Dispatcher.DispatchController | undefined;
  #body: Readable | undefined;
  #isAborted = false;
  #status: number | undefined;

  constructor(request: OriginRequest, deps: CallDeps, settle: Settle) {
    this.#request = request;
    this.#deps = deps;
    this.#requestedAtMs = deps.wallMs();
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
    this.#status = status;
    const body = this.#deps.boundary.contain(
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
    const times = { requestedAtMs: this.#requestedAtMs, respondedAtMs: this.#deps.wallMs() };
    // Whoever has a clock gives a date to what came without one (RFC 9110, 6.6.1).
    if (fieldOf(headers, "date") === undefined)
      headers.push("date", new Date(times.respondedAtMs).toUTCString());
    this.#settle.resolve({
      status,
      statusMessage: REASON.test(statusMessage) ? statusMessage : "",
      headers,
      times,
      body,
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#deps.onBytes(chunk.length);
    if (this.#body?.push(chunk) === false) controller.pause();
  }

  onResponseEnd(): void {
    this.#body?.push(null);
    this.#deps.exchange.end(this.#status);
  }

  onResponseError(_controller: unknown, cause: Error): void {
    this.#deps.exchange.end(this.#status, "code" in cause ? String(cause.code) : cause.name);
    if (this.#body !== undefined) this.#body.destroy(cause);
    else this.#settle.reject(new CacheError("UNAVAILABLE", "the origin gave no answer", {}, { cause }));
  }
}

function toText(headers: Dispatcher.DispatchController["rawHeaders"]): string[] {
  if (!Array.isArray(headers)) return [];
  return headers.map((part) => (typeof part === "string" ? part : part.toString("latin1")));
}

export function cancelled(): CacheError {
  return new CacheError("CANCELLED", "nobody waits for the answer of the origin");
}
