/** The seam between the client and a network: everything the client knows about gRPC is behind it. */
import type { ExchangeRequest, ExchangeResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { CacheError } from "../../common/errors.ts";

/** A stream of batches is one HTTP/2 stream, so the default window of 64 KiB would be its speed limit. */
export const FLOW_CONTROL_WINDOW_BYTES = 4 * 2 ** 20;
/** More than the server ever sends in one message. */
export const RECEIVE_MAX_BYTES = 16 * 2 ** 20;

/** What a link tells its owner. Never called from inside `Transport.open`, nor after `closed`. */
export interface LinkHandlers {
  /** The next frame from the server, in the order in which it was sent. */
  frame(frame: ExchangeResponse): void;
  /** `Link.send` had answered false, and the link takes more again. */
  drained(): void;
  /** The server, or a proxy before it, is to end the connection. The link goes on until then. Perhaps several times. */
  goesAway(): void;
  /** The link is gone, and what was sent may or may not have arrived. Once; not after `Link.close`. */
  closed(error: CacheError | undefined): void;
}

/** One Exchange stream to one server, perhaps still being connected. */
export interface Link {
  /**
   * Sends a frame, or throws when it cannot be encoded: then nothing of it is sent. `more`: another is sent at once, and they may go together. False: it was taken, but hold back until
   * `drained`.
   */
  send(frame: ExchangeRequest, more?: boolean): boolean;
  /** Ends the stream and frees its connection. Twice does nothing. */
  close(): void;
}

export interface Transport {
  /** Begins to connect; frames may be sent at once. What goes wrong is told to `handlers.closed`. */
  open(address: string, handlers: LinkHandlers): Link;
}
