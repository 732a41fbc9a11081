/**
 * Calls that are answered as soon as their request is whole, spoken over http2 without grpc-js's layers, which
 * cost twice as much as such a call: a look into the store. What is not plain about a call's headers (another
 * content type, a compressed request) is left to grpc-js, whose answer is the same.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { fieldInvalid } from "../errors.ts";
import { decodeMessage, encodeFrame, methodPath } from "../wire/service.ts";
import { DirectCall, type DirectCallDeps, type DirectMethod } from "./direct-call.ts";
import { type CallContext, CLIENT_ID_HEADER, type HandlerDeps, logFault, toContext } from "./handlers.ts";

/** What a caller says of its messages when there is nothing special about them. */
const CONTENT_TYPES: ReadonlySet<string | undefined> = new Set([
  "application/grpc",
  "application/grpc+proto",
]);
const ENCODINGS: ReadonlySet<unknown> = new Set([undefined, "identity"]);

export interface DirectCallsDeps extends DirectCallDeps {
  readonly methods: readonly DirectMethod[];
}

/** True: the call is taken, and its stream with it. Headers were checked. */
export type TakeCall = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;

/** The method of a handler that only looks and answers. */
export function directMethod<Input extends DescMessage, Output extends DescMessage>(
  { limits, telemetry }: Pick<HandlerDeps, "limits" | "telemetry">,
  method: DescMethodUnary<Input, Output>,
  run: (request: MessageShape<Input>, context: CallContext) => MessageShape<Output>,
): DirectMethod {
  return {
    path: methodPath(method),
    requestStream: false,
    answer(message, span, header) {
      const request = decodeRequest(method.input, message);
      try {
        return encodeFrame(
          method.output,
          run(request, toContext(span, header(CLIENT_ID_HEADER) ?? "", limits)),
        );
      } catch (error) {
        logFault(error, span, telemetry);
        throw error;
      }
    },
  };
}

function decodeRequest<Input extends DescMessage>(schema: Input, message: Uint8Array): MessageShape<Input> {
  try {
    return decodeMessage(schema, message);
  } catch {
    throw fieldInvalid("message", "one that its method takes");
  }
}

export function createDirectCalls(deps: DirectCallsDeps): TakeCall {
  const methods = new Map(deps.methods.map((method) => [method.path, method]));
  return (stream, headers) => {
    const method = methods.get(headers[":path"] ?? "");
    if (method === undefined) return false;
    const plain =
      headers[":method"] === "POST" &&
      CONTENT_TYPES.has(headers["content-type"]) &&
      ENCODINGS.has(headers["grpc-encoding"]);
    if (!plain) return false;
    new DirectCall(method, stream, headers, deps).begin();
    return true;
  };
}
