/** What the client needs of a network. All that it knows of gRPC is behind this interface. */
import type { ExchangeRequest, ExchangeResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type GrpcFrame, PREFIX_BYTES } from "../../codec/framing/grpc-frame.ts";
import { type CacheError, fieldInvalid } from "../../common/errors.ts";

/** HTTP/2's default of 64 KiB would limit the speed of a stream of batches. */
export const FLOW_CONTROL_WINDOW_BYTES = 4 * 2 ** 20;
/** The largest message that is received of any server. A server may say that it sends larger ones. */
export const RECEIVE_MAX_BYTES = 16 * 2 ** 20;

/** The largest messages of a link in bytes, without gRPC's prefix. */
export interface MessageLimits {
  readonly sendMaxBytes: number;
  readonly receiveMaxBytes: number;
}

/** What a link asks of its owner and tells it. Never called from inside `Transport.open`, nor after `closed`. */
export interface LinkHandlers {
  /** The bounds of messages from now on. Asked at every message, since Opened may change them. */
  messageLimits(): MessageLimits;
  /** The next frame from the server, in the order in which it was sent. */
  frame(frame: ExchangeResponse): void;
  /** `Link.send` had returned false, and the link takes more again. */
  drained(): void;
  /** The server, or a proxy before it, is to end the connection. The link goes on until then. Perhaps several times. */
  goesAway(): void;
  /** The link ended, and what was sent may or may not have arrived. Called once, and not after `Link.close`. */
  closed(error: CacheError | undefined): void;
}

/** Throws FIELD_INVALID for a message that the server would end the stream for. */
export function checkMessage(frame: GrpcFrame, { sendMaxBytes }: MessageLimits): GrpcFrame {
  if (frame.bytes.length - PREFIX_BYTES <= sendMaxBytes) return frame;
  frame.release();
  throw fieldInvalid("message", `at most ${sendMaxBytes} bytes`);
}

/** One Exchange stream to one server, perhaps still being connected. */
export interface Link {
  /**
   * Sends a frame, or throws when it cannot be encoded or is too large: then nothing of it is sent. `more`: another is
   * sent at once, and they may go together. False: the frame is taken, but send no more until `drained`.
   */
  send(frame: ExchangeRequest, more?: boolean): boolean;
  /** Ends the stream and frees its connection. Twice does nothing. */
  close(): void;
}

export interface Transport {
  /**
   * Begins to connect; frames may be sent at once. A failure to connect is told to `handlers.closed`. Throws for an address
   * that the transport cannot use.
   */
  open(address: string, handlers: LinkHandlers): Link;
}
