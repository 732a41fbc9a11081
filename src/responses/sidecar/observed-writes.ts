/** Calls of methods that write: passed on, and what they make untrue is invalidated before their callers have the answer. */

import { markSpan, SOURCE_METADATA } from "../answer-source.ts";
import type { WriteRule } from "../options/write-rule.ts";
import type { ResponseCache } from "../response-cache.ts";
import { isProtobuf, readMessage, STATUS, timeoutMsOf } from "./grpc-http2.ts";
import type { CallDeps, IncomingCall } from "./incoming-call.ts";
import type { Passing } from "./passing.ts";

export class ObservedWrites {
  readonly #responses: ResponseCache;
  readonly #passing: Passing;
  readonly #deps: CallDeps;

  constructor(responses: ResponseCache, passing: Passing, deps: CallDeps) {
    this.#responses = responses;
    this.#passing = passing;
    this.#deps = deps;
  }

  serve(call: IncomingCall, rule: WriteRule, body: Buffer, isWhole: boolean): void {
    const { clock, counts, limits } = this.#deps;
    counts.writes += 1;
    // What a request that cannot be read makes untrue cannot be told, so it must not happen.
    if (!isWhole) {
      call.refuse(`requests of writes are limited to ${limits.messageMaxBytes} bytes`);
      return;
    }
    if (!isProtobuf(call.headers)) {
      call.end(STATUS.unimplemented, "the proxy reads requests that are protobuf");
      return;
    }
    const request = readMessage(body, call.headers["grpc-encoding"], limits.messageMaxBytes);
    if (request === undefined) {
      call.end(
        STATUS.unimplemented,
        "the proxy reads requests that are plain, or compressed by gzip or deflate",
      );
      return;
    }
    const endsAtMs = clock.wallMs() + timeoutMsOf(call.headers);
    this.#passing.send(call, body, true, async (code) => {
      // The answer must reach the caller before its deadline, so no more than half of the time is waited for.
      const waitMs = (endsAtMs - clock.wallMs()) / 2;
      const effect = await this.#responses.written(rule, request, code, waitMs);
      markSpan(effect);
      return { [SOURCE_METADATA]: effect };
    });
  }
}
