/** The spans of calls to the engine of a shared tier, by the stable database conventions (1.45). */
import { type Attributes, type Span, SpanStatusCode } from "@opentelemetry/api";
import {
  ATTR_DB_OPERATION_BATCH_SIZE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_RESPONSE_STATUS_CODE,
  ATTR_DB_STORED_PROCEDURE_NAME,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from "@opentelemetry/semantic-conventions";
import type { EngineCall } from "./telemetry.ts";

const COMMAND = "FCALL";
/** The conventions have no name for Valkey yet, which speaks the same protocol. */
const SYSTEM = "redis";

export function engineCallName({ functionName }: EngineCall): string {
  return `${COMMAND} ${functionName}`;
}

export function engineCallAttributes({ functionName, address, port, operations }: EngineCall): Attributes {
  return {
    [ATTR_DB_SYSTEM_NAME]: SYSTEM,
    [ATTR_DB_OPERATION_NAME]: COMMAND,
    [ATTR_DB_STORED_PROCEDURE_NAME]: functionName,
    [ATTR_SERVER_ADDRESS]: address,
    [ATTR_SERVER_PORT]: port,
    // Of a batch alone, as the conventions have it.
    ...(operations > 1 && { [ATTR_DB_OPERATION_BATCH_SIZE]: operations }),
  };
}

export function endEngineCall(span: Span, error: string): void {
  if (error !== "") {
    span.setAttributes({ [ATTR_DB_RESPONSE_STATUS_CODE]: error, [ATTR_ERROR_TYPE]: error });
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
