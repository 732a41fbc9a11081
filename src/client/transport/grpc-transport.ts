/** The transport over grpc-js, for its credentials: one channel, and so one connection, for each Exchange stream. */
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import {
  CacheService,
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import { decodeMessage, encodeFrame, methodPath } from "../../codec/messages.ts";
import type { Boundary } from "../../common/boundary.ts";
import { CacheError, fieldInvalid } from "../../common/errors.ts";
import { diagnoseService, toConnectionError } from "../../rpc/connection-problem.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import { fromServiceError } from "../../rpc/status.ts";
import type { GrpcCredentials } from "./grpc-credentials.ts";
import {
  checkMessage,
  FLOW_CONTROL_WINDOW_BYTES,
  type Link,
  type LinkHandlers,
  type Transport,
} from "./transport.ts";

const CHANNEL_OPTIONS = {
  "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
  // It cannot be changed later: what a server sends is known only once it has answered Open.
  "grpc.max_receive_message_length": LIMIT_BOUNDS.sendMaxBytes.max,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.enable_channelz": 0,
  // Its own connection: a stream that leaves a draining server must not meet the old one again, and the
  // client's backoff is the only one.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
};

type ExchangeCall = ClientDuplexStream<GrpcFrame, ExchangeResponse>;

interface Channel {
  readonly call: ExchangeCall;
  close(): void;
}

type OpenChannel = (address: string) => Channel;

/**
 * grpc-js is loaded when a client with credentials is made, and only then: it is optional. When it cannot be loaded, or
 * is another copy than the one that made the credentials, every link closes with FIELD_INVALID.
 */
export function createGrpcTransport(credentials: GrpcCredentials, boundary: Boundary): Transport {
  const channels = loadChannels(credentials);
  // Links report this error. Catch it here too, for a client without links.
  channels.catch(() => {});
  return { open: (address, handlers) => new GrpcLink(channels, address, handlers, boundary) };
}

async function loadChannels(credentials: GrpcCredentials): Promise<OpenChannel> {
  let grpc: typeof import("@grpc/grpc-js");
  try {
    grpc = await import("@grpc/grpc-js");
  } catch (cause) {
    const bound = "left out where the package @grpc/grpc-js cannot be loaded";
    throw new CacheError(
      "FIELD_INVALID",
      `credentials must be ${bound}`,
      { field: "credentials", bound },
      { cause },
    );
  }
  if (!(credentials instanceof grpc.ChannelCredentials)) {
    throw fieldInvalid(
      "credentials",
      "made by the copy of @grpc/grpc-js that the client loads (npm ls @grpc/grpc-js shows the copies)",
    );
  }
  return (address) => {
    const client = new grpc.Client(address, credentials, CHANNEL_OPTIONS);
    const call = client.makeBidiStreamRequest(
      methodPath(CacheService.method.exchange),
      (frame: GrpcFrame) => frame.message,
      (bytes: Buffer) => decodeMessage(ExchangeResponseSchema, bytes),
      new grpc.Metadata(),
      {},
    );
    return { call, close: () => client.close() };
  };
}

class GrpcLink implements Link {
  readonly #address: string;
  readonly #handlers: LinkHandlers;
  readonly #boundary: Boundary;
  /** What was sent before the channel was open. */
  #waiting: GrpcFrame[] = [];
  #channel: Channel | undefined;
  /** The server has answered as one that serves the call. */
  #accepted = false;
  #over = false;

  constructor(channels: Promise<OpenChannel>, address: string, handlers: LinkHandlers, boundary: Boundary) {
    this.#address = address;
    this.#handlers = handlers;
    this.#boundary = boundary;
    const begin = boundary.guard(undefined, (openChannel: OpenChannel) => this.#begin(openChannel));
    const refuse = boundary.guard(undefined, (error: CacheError) => this.#closed(error));
    channels.then(begin, refuse);
  }

  /** The frame is encoded here, since grpc-js ends the stream when it cannot encode a message. */
  send(request: ExchangeRequest): boolean {
    if (this.#over) return true;
    const frame = checkMessage(encodeFrame(ExchangeRequestSchema, request), this.#handlers.messageLimits());
    if (this.#channel !== undefined) return this.#channel.call.write(frame);
    this.#waiting.push(frame);
    return false;
  }

  close(): void {
    if (this.#end()) this.#channel?.call.cancel();
  }

  #begin(openChannel: OpenChannel): void {
    if (this.#over) return;
    try {
      this.#channel = openChannel(this.#address);
    } catch (cause) {
      const message = `no stream to ${this.#address} could be begun`;
      this.#closed(new CacheError("UNAVAILABLE", message, { address: this.#address }, { cause }));
      return;
    }
    const { call } = this.#channel;
    this.#listen(this.#boundary.contain(call));
    const isTaken = this.#waiting.splice(0).reduce((_, frame) => call.write(frame), true);
    if (isTaken) this.#handlers.drained();
  }

  #listen(call: ExchangeCall): void {
    call.on("data", (frame: ExchangeResponse) => {
      this.#accepted = true;
      if (!this.#over) this.#handlers.frame(frame);
    });
    call.on("drain", () => {
      if (!this.#over) this.#handlers.drained();
    });
    call.on("error", (error) => this.#closed(isServiceError(error) ? this.#errorOf(error) : undefined));
    call.on("end", () => this.#closed(undefined));
    // grpc-js leaves a call open when its stream is destroyed.
    call.once("close", () => call.cancel());
  }

  #errorOf(error: ServiceError): CacheError {
    const problem = this.#accepted ? undefined : diagnoseService(error);
    return problem === undefined ? fromServiceError(error) : toConnectionError(this.#address, problem, error);
  }

  #closed(error: CacheError | undefined): void {
    if (this.#end()) this.#handlers.closed(error);
  }

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#waiting = [];
    this.#channel?.close();
    return true;
  }
}

function isServiceError(error: Error): error is ServiceError {
  return "code" in error && "details" in error;
}
