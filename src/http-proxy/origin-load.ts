/**
 * One request to the origin whose answer may be kept: what is kept of it, and, where it is the request of a client, the answer of that
 * client as it comes.
 */
import type { Boundary } from "../common/boundary.ts";
import type { ByteBudget } from "../common/byte-budget.ts";
import type { CacheStatus } from "./cache-status.ts";
import type { ClientAnswer } from "./client-answer.ts";
import type { Origin } from "./origin.ts";
import type { OriginResponse } from "./origin-call.ts";
import { isAway } from "./passing.ts";
import { forwardedHeaders, type ProxiedRequest } from "./proxied-request.ts";
import { handOn, record } from "./recording.ts";
import type { Kept, ResponseStore } from "./response-store.ts";
import { type Aged, failureOf, isUsableAfter, type OriginFailure } from "./rules/reuse.ts";
import type { StoredResponse } from "./rules/stored-response.ts";
import { isKeeping, type ResponseHead, toKeeping } from "./rules/storing.ts";
import { confirms, updatedHeaders } from "./rules/update.ts";
import { validatingHeaders } from "./rules/validators.ts";
import { variantOf } from "./rules/vary.ts";
import type { Counts, Unkept } from "./telemetry/counts.ts";

export interface LoadDeps {
  readonly origin: Origin;
  readonly store: ResponseStore;
  readonly budget: ByteBudget;
  /** The longest body that is kept. */
  readonly bodyMaxBytes: number;
  readonly wallMs: () => number;
  readonly boundary: Boundary;
  readonly counts: Counts;
}

/** What has become of the client's own request. */
export type LoadOutcome =
  /** It is answered, or will be as the body comes. */
  | { readonly kind: "answered" }
  /** The stored response is current: it is the answer. */
  | { readonly kind: "confirmed"; readonly response: StoredResponse }
  /** The origin has failed, and the stored response may be served. */
  | { readonly kind: "failed"; readonly status: number | undefined }
  | { readonly kind: "error"; readonly error: unknown };

/** The answer is not kept, and nothing is kept in its place. */
export class NotKept extends Error {
  override readonly name = "NotKept";
}

const NOT_MODIFIED = 304;

export interface LoadRequest {
  readonly request: ProxiedRequest;
  /** What is stored, if it can be confirmed or served when the origin fails. */
  readonly stored: Aged | undefined;
  /** Undefined: no client waits for it. */
  readonly answer: ClientAnswer | undefined;
  readonly status: CacheStatus;
  /** Send the conditions of the client on, and not that of the stored response. */
  readonly asItCame?: boolean;
}

export class OriginLoad {
  readonly #deps: LoadDeps;
  readonly #load: LoadRequest;
  readonly outcome: Promise<LoadOutcome>;
  #settle: (outcome: LoadOutcome) => void = () => {};
  isBegun = false;
  /** Resolves when it has begun: it is not somebody else who loads. */
  readonly begun: Promise<void>;
  #begin: () => void = () => {};

  constructor(deps: LoadDeps, load: LoadRequest) {
    this.#deps = deps;
    this.#load = load;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  /** Resolves with what is to be kept. Rejects with NotKept, and when the origin gives no answer. */
  async run(signal: AbortSignal): Promise<Kept> {
    this.isBegun = true;
    this.#begin();
    try {
      const kept = await this.#run(signal);
      if (kept.value.kind === "response") this.#deps.counts.stored += 1;
      return kept;
    } catch (error) {
      this.#settle({ kind: "error", error });
      throw error;
    }
  }

  async #run(signal: AbortSignal): Promise<Kept> {
    const { stored } = this.#load;
    let response: OriginResponse;
    try {
      response = await this.#fetch(signal, true);
    } catch (error) {
      if (isAway(error) && this.#mayServeStored("away")) this.#settle({ kind: "failed", status: undefined });
      throw error;
    }
    if (response.status === NOT_MODIFIED && stored !== undefined && !this.#load.asItCame) {
      response.body.destroy();
      if (confirms(stored.response.headers, response.headers))
        return this.#confirmed(stored.response, response);
      response = await this.#fetch(signal, false);
    }
    const failure = failureOf(response.status);
    if (failure !== undefined && this.#mayServeStored(failure)) {
      response.body.destroy();
      this.#settle({ kind: "failed", status: response.status });
      throw this.#notKept("server_error");
    }
    return this.#taken(response, signal);
  }

  #fetch(signal: AbortSignal, mayConfirm: boolean): Promise<OriginResponse> {
    const { request, stored, answer, asItCame } = this.#load;
    const conditions = mayConfirm && stored !== undefined ? validatingHeaders(stored.response.headers) : [];
    const headers = asItCame
      ? forwardedHeaders(request)
      : forwardedHeaders(request, { conditions, isWhole: true });
    const onInterim =
      answer && ((status: number, fields: readonly string[]) => answer.interim(status, fields));
    return this.#deps.origin.fetch(
      { method: "GET", target: request.target, headers, body: undefined, onInterim, span: request.span },
      signal,
    );
  }

  #mayServeStored(failure: OriginFailure): boolean {
    const { stored, request } = this.#load;
    return stored !== undefined && isUsableAfter(failure, stored, request.directives);
  }

  #confirmed(stored: StoredResponse, head: ResponseHead): Kept {
    const headers = updatedHeaders(stored.headers, head.headers);
    const updated = this.#toStored(
      { ...head, status: stored.status, statusMessage: stored.statusMessage, headers },
      stored.body,
    );
    // Where it cannot be kept as it is now, it is the answer to this request all the same.
    const response = typeof updated === "string" ? { ...stored, headers, initialAgeMs: 0 } : updated;
    this.#settle({ kind: "confirmed", response });
    return this.#toKept(updated);
  }

  async #taken(response: OriginResponse, signal: AbortSignal): Promise<Kept> {
    const { budget, bodyMaxBytes, boundary } = this.#deps;
    const { request, answer, status, asItCame } = this.#load;
    const unkept = this.#unkept(response);
    answer?.begin(request, response, { ...status, stored: unkept === undefined }, asItCame !== true);
    this.#settle({ kind: "answered" });
    if (unkept !== undefined) {
      if (answer === undefined) response.body.destroy();
      else handOn(response.body, answer, boundary);
      // An origin that fails may be well again with the next request.
      if (response.status >= 500) throw this.#notKept("server_error");
      return this.#toKept(unkept);
    }
    const body = await record(response.body, answer, { maxBytes: bodyMaxBytes, budget, boundary, signal });
    if (body === "broken") throw this.#notKept(body);
    if (body === "no_room") this.#deps.counts.refusedByLimit.recorded_bytes += 1;
    return this.#toKept(typeof body === "string" ? body : this.#toStored(response, body.toString("latin1")));
  }

  #unkept(head: ResponseHead): Unkept | undefined {
    const { request } = this.#load;
    const keeping = toKeeping(request.askedWith, head);
    if (!isKeeping(keeping)) return keeping;
    if (!this.#deps.store.hasRoom(request.target, head.headers)) return "tags";
    return isTooLong(head, this.#deps.bodyMaxBytes) ? "too_long" : undefined;
  }

  #notKept(reason: Unkept): NotKept {
    this.#deps.counts.notStored[reason] += 1;
    return new NotKept(reason);
  }

  /** Of what is not kept: that requests for it need not wait for each other. */
  #toKept(response: StoredResponse | Unkept): Kept {
    const { store, counts } = this.#deps;
    const { target } = this.#load.request;
    const kept = typeof response === "string" ? undefined : store.toKept(target, response);
    if (kept !== undefined) return kept;
    counts.notStored[typeof response === "string" ? response : "tags"] += 1;
    return store.toPassed(target);
  }

  #toStored(head: ResponseHead, body: string): StoredResponse | Unkept {
    const { request } = this.#load;
    const keeping = toKeeping(request.askedWith, head);
    if (!isKeeping(keeping)) return keeping;
    const { status, statusMessage, times } = head;
    const { headers, ageMs, lifetimeMs, use, vary } = keeping;
    return {
      kind: "response",
      status,
      statusMessage,
      headers,
      initialAgeMs: ageMs + Math.max(0, this.#deps.wallMs() - times.respondedAtMs),
      lifetimeMs,
      use,
      vary,
      variant: variantOf(vary, request),
      body,
    };
  }
}

function isTooLong({ headers }: ResponseHead, maxBytes: number): boolean {
  return headers.some(
    (name, at) =>
      at % 2 === 0 && name.toLowerCase() === "content-length" && Number(headers[at + 1]) > maxBytes,
  );
}
