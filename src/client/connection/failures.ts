/** The errors that the connection itself fails calls with, and what events say of them. */
import { CacheError } from "../../common/errors.ts";
import { rootCauseText } from "../../common/root-cause.ts";
import { type ConnectionProblem, isConnectionProblem } from "../../rpc/connection-problem.ts";

export function unavailable(message: string, cause?: unknown): CacheError {
  return new CacheError("UNAVAILABLE", message, {}, { cause });
}

/** No address answers. The error says why the last one did not, and has the same cause. */
export function noServer(addresses: readonly string[], last: CacheError | undefined): CacheError {
  const message = `no server can be reached at ${addresses.join(", ")}`;
  if (last === undefined) return unavailable(message);
  const { detail, cause } = last;
  if (isConnectionProblem(detail.problem))
    return new CacheError("UNAVAILABLE", last.message, detail, { cause });
  return unavailable(`${message}: ${last.message}`, cause ?? last);
}

/** What a call fails with when it was refused for `cause`: an error of its own, or else a fault. */
export function toCallError(message: string, cause: unknown): CacheError {
  return cause instanceof CacheError ? cause : new CacheError("INTERNAL", message, {}, { cause });
}

/** Why a connection failed, for an event. */
export function toProblem(error: CacheError): {
  readonly problem: ConnectionProblem | "other";
  readonly cause: string;
} {
  const { problem, cause } = error.detail;
  if (isConnectionProblem(problem) && cause !== undefined) return { problem, cause };
  return { problem: "other", cause: rootCauseText(error) };
}
