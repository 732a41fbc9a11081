/** The part of the streams and sessions of node:http2 that calls use. The accelerator has others with the same methods. */
import type { OutgoingHttpHeaders } from "node:http2";
import type { Principal } from "../../security/identity/principal.ts";

/** The connection of a call. */
export interface CallSession {
  /** Whose client certificate was verified. Undefined: nobody's. */
  readonly peer?: Principal | undefined;
  readonly destroyed: boolean;
  /** The bytes that its socket has taken so far. Undefined: nobody knows. */
  readonly takenBytes?: number;
  /** It counts the work of its streams itself. Default: whoever lists a call does. */
  readonly countsStreams?: boolean;
  /** Calls `answered` when the peer has answered. False: too many pings wait, and none was sent. */
  ping(answered: () => void): boolean;
  once(event: "close", listener: () => void): unknown;
  /** Ends the connection and all its calls at once. */
  destroy(): void;
}

/** The part of a stream that the register of calls uses. */
export interface ListedStream {
  readonly session: CallSession | undefined;
  readonly closed: boolean;
  close(code: number): void;
  destroy(): void;
}

/** The stream of a call. Methods mean what they mean in node:http2. */
export interface CallStream extends ListedStream {
  readonly destroyed: boolean;
  readonly headersSent: boolean;
  /** What has come while the stream is paused, in bytes of memory. */
  readonly readableLength: number;
  respond(headers: OutgoingHttpHeaders, options: RespondOptions): void;
  /** `taken`: the socket has the bytes, or an error has cut them off. */
  write(bytes: Buffer, taken: (error?: Error | null) => void): unknown;
  end(): unknown;
  end(bytes: Buffer, taken: (error?: Error | null) => void): unknown;
  sendTrailers(trailers: OutgoingHttpHeaders): void;
  pause(): unknown;
  resume(): unknown;
}

/** A stream that emits events as node:http2 does: a call of grpc-js has one. */
export interface EmittingStream extends CallStream {
  on(event: "data", listener: (chunk: Buffer) => void): unknown;
  on(event: "close" | "end", listener: () => void): unknown;
  once(event: "wantTrailers", listener: () => void): unknown;
}

/** Is told what happens to a stream. What it throws ends the stream. */
export interface StreamReader {
  /** Bytes of the request have come. */
  dataCame(chunk: Buffer): void;
  /** The request is whole. */
  requestEnded(): void;
  /** The bytes of the answer were sent. */
  trailersWanted(): void;
  streamClosed(): void;
}

/** A stream of the own HTTP/2. */
export interface OwnStream extends CallStream {
  /**
   * From now on this reader is told what happens, and nobody else. Listeners for the same would take more than a kilobyte, which
   * young collections copy for each call that waits.
   */
  readBy(reader: StreamReader): void;
}

export interface RespondOptions {
  /** The headers are the whole answer. */
  readonly endStream?: boolean;
  /** "wantTrailers" is emitted after the last bytes. */
  readonly waitForTrailers?: boolean;
}
