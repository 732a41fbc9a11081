/** A streaming call as its handler sees it, whoever speaks its protocol. */

import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { CacheError } from "../../common/errors.ts";

/** What a handler has of its call. */
export interface StreamingCall {
  /** False: it has its status, or its peer is gone, and frames are dropped. */
  readonly open: boolean;
  /** `taken`: the frame was handed on to the connection, and held so much till then. Not called for what was cut off. */
  send(frame: GrpcFrame, taken: (heldBytes: number) => void): void;
  /** Gives it its status, behind all frames: OK without an error. */
  end(error?: CacheError): void;
  /** Reads on if its reader is not paused. */
  readOn(): void;
}

/** What a call has of its handler. */
export interface RequestReader<Request> {
  /** Throws what becomes the status of the call. */
  receive(request: Request): void;
  /** Asked between two requests: while it is true none is read, and the peer is held back. */
  paused(): boolean;
  /** There will be no further request. */
  halfClosed(): void;
  /** The call is gone. Once, and the last that it says. */
  closed(): void;
}
