/** A streaming call as its handler sees it, whether grpc-js or the accelerator serves it. */

import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { CacheError } from "../../common/errors.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";

/** The call, as its handler uses it. */
export interface StreamingCall {
  /** False: it has its status or its peer is gone, and frames are dropped. */
  readonly open: boolean;
  /** What all calls of its connection hold. */
  readonly connectionMemory: ConnectionMemory;
  /** `taken`: the connection has the frame, which has held so many bytes until now. Not called for a frame that is cut off. */
  send(frame: GrpcFrame, taken: (heldBytes: number) => void): void;
  /** Ends it behind all frames, with OK or this error. */
  end(error?: CacheError): void;
  /** Its reader may not be paused any more: reads on if so. */
  readOn(): void;
}

/** The handler of a call, as the call uses it. */
export interface RequestReader<Request> {
  /** What it throws becomes the status of the call. */
  receive(request: Request): void;
  /** Asked before each request. While it is true none is read, and flow control holds the peer back. */
  paused(): boolean;
  /** No further request will come. */
  halfClosed(): void;
  /** The call is over. Called once, and last. */
  closed(): void;
}
