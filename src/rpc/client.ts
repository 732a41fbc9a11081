/**
 * A client of any generated service, over one grpc-js channel. A method is named by its descriptor, so that requests
 * and responses are typed without a cast.
 */
import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  type CallOptions,
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  Metadata,
} from "@grpc/grpc-js";
import { GrpcFrame } from "../codec/framing/grpc-frame.ts";
import { decodeMessage, encodeMessage, methodPath } from "../codec/messages.ts";
import { CacheError } from "../common/errors.ts";
import { fromServiceError } from "./status.ts";

export interface ServiceCallOptions {
  /** How long the call may take, from now. Default: as long as the server lets it. */
  readonly timeoutMs?: number;
  /** Default: empty. */
  readonly metadata?: Metadata;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/**
 * Unary calls reject with a CacheError; streams emit grpc-js's ServiceError. A caller may write messages or encoded
 * frames to a bidirectional stream. A message that cannot be encoded ends the stream.
 */
export interface ServiceClient {
  /** `client.unary(CacheService.method.get, { namespace, key })` */
  unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    options?: ServiceCallOptions,
  ): Promise<MessageShape<Output>>;
  serverStream<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodServerStreaming<Input, Output>,
    request: MessageInitShape<Input>,
    options?: ServiceCallOptions,
  ): ClientReadableStream<MessageShape<Output>>;
  bidi<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodBiDiStreaming<Input, Output>,
    options?: ServiceCallOptions,
  ): ClientDuplexStream<MessageShape<Input> | GrpcFrame, MessageShape<Output>>;
  /** Resolves when the channel is connected; rejects after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
  /** Closes the connection once the running calls have ended. */
  close(): void;
}

export function createServiceClient(
  address: string,
  credentials: ChannelCredentials,
  options: ClientOptions = {},
): ServiceClient {
  const client = new Client(address, credentials, options);
  return {
    unary(method, request, callOptions = {}) {
      return new Promise((resolve, reject) => {
        const call = client.makeUnaryRequest(
          methodPath(method),
          (bytes: Buffer) => bytes,
          (bytes) => decodeMessage(method.output, bytes),
          encodeRequest(method.input, request),
          callOptions.metadata ?? new Metadata(),
          toCallOptions(callOptions),
          (error, response) => {
            release();
            if (error) reject(fromServiceError(error));
            else if (response !== undefined) resolve(response);
          },
        );
        const release = cancelOnAbort(call, callOptions.signal);
      });
    },
    serverStream(method, request, callOptions = {}) {
      const call = client.makeServerStreamRequest(
        methodPath(method),
        (message: MessageShape<typeof method.input>) => encodeMessage(method.input, message),
        (bytes) => decodeMessage(method.output, bytes),
        create(method.input, request),
        callOptions.metadata ?? new Metadata(),
        toCallOptions(callOptions),
      );
      endWithStream(call, callOptions.signal);
      return call;
    },
    bidi(method, callOptions = {}) {
      const call = client.makeBidiStreamRequest(
        methodPath(method),
        (request: MessageShape<typeof method.input> | GrpcFrame) =>
          request instanceof GrpcFrame ? request.message : encodeMessage(method.input, request),
        (bytes) => decodeMessage(method.output, bytes),
        callOptions.metadata ?? new Metadata(),
        toCallOptions(callOptions),
      );
      endWithStream(call, callOptions.signal);
      return call;
    },
    ready: (timeoutMs) =>
      new Promise((resolve, reject) => {
        client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => client.close(),
  };
}

/** Encodes a request before its call starts, so that a failure is not mixed with those of grpc-js. Throws INTERNAL. */
function encodeRequest<Input extends DescMessage>(schema: Input, request: MessageInitShape<Input>): Buffer {
  try {
    return encodeMessage(schema, create(schema, request));
  } catch (cause) {
    throw new CacheError("INTERNAL", "the request could not be encoded", {}, { cause });
  }
}

function toCallOptions(options: ServiceCallOptions): CallOptions {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}

/** Cancels the call with its stream: grpc-js leaves it open when a `for await` loop ends and destroys the stream. */
function endWithStream(call: ClientReadableStream<unknown>, signal: AbortSignal | undefined): void {
  const release = cancelOnAbort(call, signal);
  call.once("close", () => {
    release();
    call.cancel();
  });
}

/** Returns a function that removes the listener, so that a long-lived signal does not keep ended calls. */
function cancelOnAbort(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => {};
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
  return () => signal.removeEventListener("abort", cancel);
}
