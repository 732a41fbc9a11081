/**
 * An operation that goes to a server, as telemetry sees it. The declarations of the public API reach this file, so it uses
 * no types of OpenTelemetry's API, which need not be installed.
 */
import type { CacheError } from "../../common/errors.ts";
import type { OperationReply } from "../messages/replies.ts";

/** The methods of the contract that an operation can stand for. */
export type OperationName = "Get" | "Set" | "Invalidate" | "Touch" | "Increment" | "Lease" | "ListKeys";

/** Never throws. */
export interface OperationTrace {
  /** W3C traceparent of the span when it is sampled, else "". */
  readonly traceparent: string;
  end(reply: OperationReply): void;
  fail(error: CacheError): void;
}
