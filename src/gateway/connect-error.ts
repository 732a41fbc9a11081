/** Errors as answers of the Connect protocol: the code, and the details that a gRPC call has in its status. */
import { Code, ConnectError } from "@connectrpc/connect";
import { CacheError, pushbackMsOf } from "../common/errors.ts";
import { toStatus } from "../rpc/status.ts";
import { StatusError } from "../server/calls/handler.ts";

/** As on a gRPC call: when a client that retries may do so. */
const PUSHBACK_HEADER = "grpc-retry-pushback-ms";

/** Of an error that is none of ours only "internal error" is told; its cause goes to the log, by whoever logs it. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof StatusError) return new ConnectError(error.message, toCode(error.code));
  const { code, message, details } = toStatus(error);
  const pushbackMs = pushbackMsOf(error);
  const metadata = pushbackMs > 0 ? { [PUSHBACK_HEADER]: String(pushbackMs) } : {};
  const answer = new ConnectError(message, toCode(code), metadata);
  answer.details = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return answer;
}

/** What ends a call whose peer has gone. */
export function peerGone(): CacheError {
  return new CacheError("CANCELLED", "the caller has gone");
}

const CODES: ReadonlyMap<number, Code> = new Map(
  Object.values(Code).flatMap((code) => (typeof code === "number" ? [[code, code] as const] : [])),
);

/** The numbers are those of gRPC. */
function toCode(statusCode: number): Code {
  return CODES.get(statusCode) ?? Code.Internal;
}
