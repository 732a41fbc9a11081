/** As much of node:http2's streams and sessions as calls use, for whoever speaks HTTP/2 to their peer. */
import type { OutgoingHttpHeaders } from "node:http2";

/** The connection of a call. */
export interface CallSession {
  readonly destroyed: boolean;
  /** Calls `answered` when the peer has answered. False: no ping was sent. */
  ping(answered: () => void): boolean;
  /** Ends the connection with all its calls, at once. */
  destroy(): void;
}

/** What ends a call from outside. */
export interface ListedStream {
  readonly session: CallSession | undefined;
  readonly closed: boolean;
  close(code: number): void;
  destroy(): void;
}

/** What a call is spoken on. Events and methods mean what they mean in node:http2. */
export interface CallStream extends ListedStream {
  readonly destroyed: boolean;
  readonly headersSent: boolean;
  on(event: "data", listener: (chunk: Buffer) => void): unknown;
  on(event: "aborted" | "close" | "end", listener: () => void): unknown;
  once(event: "wantTrailers", listener: () => void): unknown;
  respond(headers: OutgoingHttpHeaders, options: RespondOptions): void;
  /** `taken`: the bytes were handed on to the connection, or cut off by an error. */
  write(bytes: Buffer, taken: (error?: Error | null) => void): unknown;
  end(): unknown;
  end(bytes: Buffer, taken: (error?: Error | null) => void): unknown;
  sendTrailers(trailers: OutgoingHttpHeaders): void;
  pause(): unknown;
  resume(): unknown;
}

export interface RespondOptions {
  /** The headers are all of the answer. */
  readonly endStream?: boolean;
  /** "wantTrailers" comes behind the last bytes. */
  readonly waitForTrailers?: boolean;
}
