/**
 * Rewrites the statuses that grpc-js gives to calls by itself as the contract wants them: with an ErrorInfo where one of
 * its reasons applies, and of bounded length.
 */
import { type ServerInterceptingCall, status } from "@grpc/grpc-js";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import { cutText } from "../../common/text.ts";
import { undecodable } from "../calls/decode-request.ts";
import { toServiceError } from "../calls/service-error.ts";

export type CallStatus = Parameters<ServerInterceptingCall["sendStatus"]>[0];

/** Some statuses of grpc-js repeat what it was sent. */
const DETAILS_MAX_LENGTH = 256;
/** The beginning of the status for a message that the deserializer refused. */
const UNDECODABLE = "Error deserializing request";

/** `sending`: a message was being sent, so a size out of bounds is that of the answer. */
export function explainStatus(result: CallStatus, messageMaxBytes: number, sending: boolean): CallStatus {
  const { code, details } = result;
  // A status with metadata comes from a handler, and is left as it is.
  const error = result.metadata ? undefined : errorOf(code, details ?? "", messageMaxBytes, sending);
  if (error !== undefined) return toServiceError(error);
  if (details === undefined || details === null || details.length <= DETAILS_MAX_LENGTH) return result;
  return { ...result, details: cutText(details, DETAILS_MAX_LENGTH) };
}

function errorOf(
  code: CallStatus["code"],
  details: string,
  messageMaxBytes: number,
  sending: boolean,
): CacheError | undefined {
  if (code === status.DEADLINE_EXCEEDED) return new CacheError("DEADLINE", "the call's deadline has passed");
  if (code === status.RESOURCE_EXHAUSTED && !sending) {
    return limitExceeded("receive_max_bytes", String(messageMaxBytes));
  }
  return details.startsWith(UNDECODABLE) ? undecodable() : undefined;
}
