/** Errors of Connect as answers, and back. Their details travel as they do in gRPC. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { type Answer, type Metadatum, STATUS_DETAILS } from "../answer.ts";
import { SOURCE_METADATA } from "../answer-source.ts";
import { toHeaders, toList } from "./headers.ts";

const TYPE_URL = "type.googleapis.com/";

export function fromConnectError(thrown: unknown): Answer {
  // What else a service throws says nothing to its callers.
  const error = thrown instanceof ConnectError ? thrown : new ConnectError("internal error", Code.Internal);
  const trailers: Metadatum[] = toList(error.metadata);
  if (error.details.length > 0) {
    const { code, rawMessage: message, details } = error;
    const status = create(StatusSchema, { code, message, details: details.map(toAny) });
    trailers.push({ name: STATUS_DETAILS, value: toBinary(StatusSchema, status) });
  }
  return { code: error.code, details: error.rawMessage, message: undefined, metadata: [], trailers };
}

function toAny(detail: ConnectError["details"][number]): Any {
  if ("type" in detail)
    return create(AnySchema, { typeUrl: `${TYPE_URL}${detail.type}`, value: detail.value });
  return anyPack(detail.desc, create(detail.desc, detail.value));
}

export function toConnectError({ code, details, trailers }: Answer, mark: string): ConnectError {
  const metadata = toHeaders(trailers.filter(({ name }) => name !== STATUS_DETAILS));
  metadata.set(SOURCE_METADATA, mark);
  const error = new ConnectError(details, code, metadata);
  const status = trailers.find(({ name }) => name === STATUS_DETAILS)?.value;
  if (status instanceof Uint8Array) {
    error.details = readDetails(status).map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
  }
  return error;
}

function readDetails(status: Uint8Array): readonly Any[] {
  try {
    return fromBinary(StatusSchema, status).details;
  } catch {
    return [];
  }
}
