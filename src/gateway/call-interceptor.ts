/** What surrounds every handler: it waits for its turn, ends when its call ends, and what it throws becomes an error of the wire. */
import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { CacheError } from "../common/errors.ts";
import { isFault } from "../rpc/status.ts";
import { StatusError } from "../server/calls/handler.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { toConnectError } from "./connect-error.ts";
import { CALL, type HttpCall } from "./http-call.ts";

/** The error that a call ends with for what its handler threw. Logs a fault. */
export function failureOf(call: HttpCall, error: unknown, telemetry: Telemetry): ConnectError {
  const known = error instanceof ConnectError || error instanceof StatusError;
  if (!known && isFault(error) && call.span !== undefined) {
    telemetry.withCall(call.span, () => telemetry.logger.error({ err: error }, "a call failed"));
  }
  const answer = toConnectError(error);
  call.conclude(answer.code);
  return answer;
}

export function createCallInterceptor(telemetry: Telemetry): Interceptor {
  const fail = (call: HttpCall, error: unknown) => failureOf(call, error, telemetry);
  return (next) => async (request) => {
    const call = request.contextValues.get(CALL);
    if (call === undefined) throw new Error("a call reached its handler without having begun");
    call.unread = undefined;
    request.signal.addEventListener("abort", () => endAtDeadline(call, request.signal.reason));
    try {
      if (request.stream) {
        const response = await next(request);
        return response.stream ? { ...response, message: untilEnd(call, response.message, fail) } : response;
      }
      await call.orEnd(call.turn());
      call.holdRequest(0);
      const response = await call.orEnd(next(request));
      call.conclude(0);
      return response;
    } catch (error) {
      throw fail(call, error);
    }
  };
}

function endAtDeadline(call: HttpCall, reason: unknown): void {
  if (call.answered || !(reason instanceof ConnectError) || reason.code !== Code.DeadlineExceeded) return;
  call.refuse(new CacheError("DEADLINE", "the call's deadline has passed"));
}

async function* untilEnd(
  call: HttpCall,
  messages: StreamResponse["message"],
  fail: (call: HttpCall, error: unknown) => ConnectError,
) {
  const source = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await call.orEnd(source.next());
      if (next.done === true) break;
      yield next.value;
    }
    call.conclude(0);
  } catch (error) {
    throw fail(call, error);
  } finally {
    await source.return?.();
  }
}
