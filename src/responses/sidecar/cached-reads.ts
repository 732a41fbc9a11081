/** Calls of cached methods: answered from the cache, by a load that others share, or by the service. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { Sharing } from "../../../gen/meshcache/options/v1/caching_pb.ts";
import type { Answer } from "../answer.ts";
import { type AnswerSource, markSpan } from "../answer-source.ts";
import type { ReadRule } from "../options/read-rule.ts";
import type { KeyedCall, ResponseCache } from "../response-cache.ts";
import { forwarded, isProtobuf, readMessage, STATUS, timeoutMsOf, toCallMetadata } from "./grpc-http2.ts";
import type { CallDeps, IncomingCall } from "./incoming-call.ts";
import type { Passing } from "./passing.ts";
import type { Upstream } from "./upstream.ts";

/** A load goes on this much longer than its callers wait for it, so that its own end is not taken for an answer. */
const LOAD_MARGIN_MS = 1_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

export interface CachedReadsParts {
  readonly responses: ResponseCache;
  readonly upstream: Upstream;
  readonly passing: Passing;
  /** SHARING_ALL holds for calls with credentials too. */
  readonly shareAuthorized: boolean;
}

export class CachedReads {
  readonly #parts: CachedReadsParts;
  readonly #deps: CallDeps;

  constructor(parts: CachedReadsParts, deps: CallDeps) {
    this.#parts = parts;
    this.#deps = deps;
  }

  serve(call: IncomingCall, rule: ReadRule, body: Buffer, isWhole: boolean): void {
    const { passing, responses } = this.#parts;
    const keyed = isWhole ? this.#keyOf(call.headers, rule, body) : undefined;
    if (keyed === undefined) {
      passing.bypass(call, body, isWhole);
      return;
    }
    const near = responses.near(keyed);
    if (near !== undefined) this.#answer(call, near, "near");
    else this.#read(call, keyed, body);
  }

  #read(call: IncomingCall, keyed: KeyedCall, body: Buffer): void {
    const { boundary } = this.#deps;
    const { passing, responses, upstream } = this.#parts;
    this.#keepDeadline(call);
    const load = (signal: AbortSignal): Promise<Answer> =>
      upstream.call(this.#loadHeaders(call.headers), body, signal);
    const bypass = () => {
      if (!call.isOver) passing.bypass(call, body, true);
    };
    responses
      .read(keyed, load)
      .then(
        (sourced) => {
          if (sourced === undefined) bypass();
          else this.#answer(call, sourced.answer, sourced.source);
        },
        // The service has given no answer. It is asked for this call alone, which passes on how that ends.
        bypass,
      )
      .catch((error: unknown) => boundary.caught(call.stream, error));
  }

  #answer(call: IncomingCall, answer: Answer, source: AnswerSource): void {
    if (call.isOver) return;
    this.#deps.counts[source] += 1;
    markSpan(source);
    call.answer(answer, source);
  }

  /** The service would see it; the cache does not. */
  #keepDeadline(call: IncomingCall): void {
    const timeoutMs = timeoutMsOf(call.headers);
    if (timeoutMs === Number.POSITIVE_INFINITY) return;
    const { boundary, clock } = this.#deps;
    const expire = boundary.guard(call.stream, () => call.end(STATUS.deadlineExceeded, "Deadline exceeded"));
    const timer = clock.schedule(Math.min(timeoutMs, TIMER_MAX_MS), expire, true);
    call.stream.once(
      "close",
      boundary.guard(call.stream, () => timer.cancel()),
    );
  }

  #keyOf(headers: IncomingHttpHeaders, rule: ReadRule, body: Buffer): KeyedCall | undefined {
    const { responses, shareAuthorized } = this.#parts;
    const hasCredentials = headers.authorization !== undefined || headers.cookie !== undefined;
    if (rule.sharing === Sharing.ALL && hasCredentials && !shareAuthorized) return undefined;
    if (!isProtobuf(headers)) return undefined;
    const request = readMessage(body, headers["grpc-encoding"], this.#deps.limits.messageMaxBytes);
    return request && responses.keyOf(rule, request, toCallMetadata(headers), undefined);
  }

  /**
   * Others wait for the answer too: it has a time of its own, an encoding that can be read here, and the authority of the service,
   * since that of a caller is in no key.
   */
  #loadHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
    return {
      ...forwarded(headers, [":method", ":path"]),
      "grpc-timeout": `${this.#parts.responses.loadTimeoutMs + LOAD_MARGIN_MS}m`,
      "grpc-accept-encoding": "identity",
    };
  }
}
