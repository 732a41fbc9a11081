/** Errors that handlers throw. */
import { type ServiceError, status } from "@grpc/grpc-js";

/** An error that was thrown says nothing to the caller, unless it has a status. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  return hasStatus(error) ? error : { code: status.UNKNOWN, details: "Unknown error" };
}

function hasStatus(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number";
}
