/** An error as a call ends with it: its status, and the details in a trailer. */
import { Buffer } from "node:buffer";
import { toBinary } from "@bufbuild/protobuf";
import { Metadata, type status } from "@grpc/grpc-js";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { pushbackMsOf } from "../../common/errors.ts";
import { DETAILS_HEADER, toStatus } from "../../rpc/status.ts";

/** When a client that retries may do so (gRPC A6, client retries). */
const PUSHBACK_HEADER = "grpc-retry-pushback-ms";

export function toServiceError(error: unknown): { code: status; details: string; metadata: Metadata } {
  const message = toStatus(error);
  const metadata = new Metadata();
  metadata.set(DETAILS_HEADER, Buffer.from(toBinary(StatusSchema, message)));
  const pushbackMs = pushbackMsOf(error);
  if (pushbackMs > 0) metadata.set(PUSHBACK_HEADER, String(pushbackMs));
  return { code: message.code, details: message.message, metadata };
}
