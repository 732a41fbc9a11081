/** One request to the origin, as undici tells of it: its head, and a stream of its body. */
import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
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

/** What Node would refuse to send on. */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

export interface Settle {
  readonly resolve: (response: OriginResponse) => void;
  readonly reject: (error: Error) => void;
}

export class OriginCall implements Dispatcher.DispatchHandler {
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
    this.#settle.resolve({
      status,
      statusMessage: REASON.test(statusMessage) ? statusMessage : "",
      headers,
      times,
      body,
    });
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

function toText(headers: Dispatcher.DispatchController["rawHeaders"]): string[] {
  if (!Array.isArray(headers)) return [];
  return headers.map((part) => (typeof part === "string" ? part : part.toString("latin1")));
}

export function cancelled(): CacheError {
  return new CacheError("CANCELLED", "nobody waits for the answer of the origin");
}
