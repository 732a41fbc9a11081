/** Requests that go to the origin as they are, and answers that come back as they are. */
import type { Boundary } from "../common/boundary.ts";
import { CacheError } from "../common/errors.ts";
import type { CacheStatus, ForwardReason } from "./cache-status.ts";
import type { ClientAnswer } from "./client-answer.ts";
import type { Origin } from "./origin.ts";
import type { OriginResponse } from "./origin-call.ts";
import { forwardedHeaders, type ProxiedRequest } from "./proxied-request.ts";
import { handOn } from "./recording.ts";
import { toRequestBody } from "./request-body.ts";

export class Passing {
  readonly #origin: Origin;
  readonly #boundary: Boundary;
  readonly #closing: AbortSignal;

  constructor(origin: Origin, boundary: Boundary, closing: AbortSignal) {
    this.#origin = origin;
    this.#boundary = boundary;
    this.#closing = closing;
  }

  /** For one request that ends with the proxy. Its own, since what listens to that of the proxy would stay there. */
  signal(): AbortSignal {
    return AbortSignal.any([this.#closing]);
  }

  async pass(request: ProxiedRequest, answer: ClientAnswer, fwd: ForwardReason): Promise<void> {
    try {
      const response = await this.send(request, answer);
      answer.outcome("pass");
      answer.begin(request, response, { fwd }, false);
      handOn(response.body, answer, this.#boundary);
    } catch (error) {
      answerFailure(answer, error, { fwd });
    }
  }

  /** Sends the request with its body. It ends with its client. */
  send(request: ProxiedRequest, answer: ClientAnswer): Promise<OriginResponse> {
    const gone = new AbortController();
    answer.onGone(() => gone.abort());
    return this.#send(request, answer, AbortSignal.any([gone.signal, this.#closing]));
  }

  /** As `send`, but goes on when its client is gone: what the origin does is done, and its outcome is of interest to others. */
  sendToEnd(request: ProxiedRequest, answer: ClientAnswer): Promise<OriginResponse> {
    return this.#send(request, answer, this.signal());
  }

  #send(request: ProxiedRequest, answer: ClientAnswer, signal: AbortSignal): Promise<OriginResponse> {
    const { method, target, hasBody, message } = request;
    return this.#origin.fetch(
      {
        method,
        target,
        headers: forwardedHeaders(request),
        body: hasBody ? toRequestBody(message, this.#boundary) : undefined,
        onInterim: (status, headers) => answer.interim(status, headers),
        span: request.span,
      },
      signal,
    );
  }
}

const FAILURES: Readonly<Record<string, readonly [status: number, text: string]>> = {
  UND_ERR_HEADERS_TIMEOUT: [504, "the origin did not answer in time"],
  UND_ERR_BODY_TIMEOUT: [504, "the origin did not answer in time"],
  UND_ERR_CONNECT_TIMEOUT: [504, "the origin did not answer in time"],
};

/** The origin gave no answer, or could not be asked. */
export function isAway(error: unknown): boolean {
  return error instanceof CacheError && (error.reason === "UNAVAILABLE" || error.reason === "LIMIT_EXCEEDED");
}

/** The request has not reached the origin. */
export function hasNotLeft(error: unknown): boolean {
  if (!(error instanceof CacheError)) return false;
  return error.reason === "LIMIT_EXCEEDED" || NOT_CONNECTED.has(codeOf(error));
}

const NOT_CONNECTED: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

function codeOf({ cause }: Error): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

/** What a client gets whose request the origin has not answered. */
export function answerFailure(answer: ClientAnswer, error: unknown, status: CacheStatus): void {
  if (error instanceof CacheError && error.reason === "LIMIT_EXCEEDED") {
    answer.outcome("refused");
    answer.refuse(503, "too many requests wait for the origin", { "retry-after": "1" }, status);
    return;
  }
  answer.outcome("error");
  if (error instanceof CacheError && error.reason === "LOADER_TIMEOUT") {
    answer.refuse(504, "the origin did not answer in time", {}, status);
    return;
  }
  const code = error instanceof Error ? codeOf(error) : "";
  const [httpStatus, text] = FAILURES[code] ?? [502, "the origin gave no answer"];
  answer.refuse(httpStatus, text, {}, status);
}
