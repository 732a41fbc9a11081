/** The connection of the sidecar to the service: one HTTP/2 session, replaced when it ends. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Boundary } from "../../common/boundary.ts";
import { CacheError } from "../../common/errors.ts";
import { type HostPort, toHostPort } from "../../common/host-port.ts";
import type { Answer } from "../answer.ts";
import { readMessage, STATUS, statusOf, toList } from "./grpc-http2.ts";

/** What the service has answered to a unary call, with what only the caller gets who has asked. */
export interface UpstreamAnswer {
  readonly answer: Answer;
  readonly contentType: unknown;
}

export class Upstream {
  readonly #authority: string;
  readonly #boundary: Boundary;
  #session: ClientHttp2Session | undefined;

  constructor({ host, port }: HostPort, boundary: Boundary) {
    this.#authority = `http://${toHostPort(host, port)}`;
    this.#boundary = boundary;
  }

  /** A stream to the service. Its `error` event tells that there is no connection. */
  open(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    return this.#boundary.contain(this.#ready().request(headers, { endStream }));
  }

  /**
   * A unary call. Rejects when the service gives no answer, or one of more than `maxBytes`, and when `signal` is aborted; then
   * the stream is reset.
   */
  call(
    headers: OutgoingHttpHeaders,
    body: Buffer,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<UpstreamAnswer> {
    const stream = this.open(headers, false);
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      let response: IncomingHttpHeaders = {};
      let trailers: IncomingHttpHeaders | undefined;
      const fail = (error: Error) => {
        reject(error);
        stream.destroy();
      };
      const abort = () => fail(new CacheError("CANCELLED", "the load was given up"));
      signal.addEventListener("abort", abort, { once: true });
      stream.on("response", (headersReceived) => {
        response = headersReceived;
      });
      stream.on("trailers", (received) => {
        trailers = received;
      });
      stream.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) fail(new CacheError("LIMIT_EXCEEDED", "the response is too large to be kept"));
        else chunks.push(chunk);
      });
      stream.on("error", fail);
      stream.on("close", () => {
        signal.removeEventListener("abort", abort);
        const answer = toAnswer(response, trailers, Buffer.concat(chunks), maxBytes);
        if (answer === undefined) reject(new CacheError("UNAVAILABLE", "the service gave no answer"));
        else resolve({ answer, contentType: response["content-type"] });
      });
      stream.end(body);
    });
  }

  close(): void {
    this.#session?.destroy();
  }

  #ready(): ClientHttp2Session {
    const current = this.#session;
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    const session = this.#boundary.contain(connect(this.#authority));
    // Streams tell of it.
    session.on("error", () => this.#forget(session));
    session.on("close", () => this.#forget(session));
    // New calls go to another connection, and those under way go on.
    session.on("goaway", () => this.#forget(session));
    this.#session = session;
    return session;
  }

  #forget(session: ClientHttp2Session): void {
    if (this.#session === session) this.#session = undefined;
  }
}

/** Undefined: it has no status, or a message that cannot be read here. */
function toAnswer(
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders | undefined,
  body: Buffer,
  maxBytes: number,
): Answer | undefined {
  const end = trailers ?? headers;
  const status = Number(headers[":status"]) === 200 ? statusOf(end) : undefined;
  if (status === undefined) return undefined;
  const metadata = trailers === undefined ? [] : toList(headers);
  const lists = { metadata, trailers: toList(end) };
  if (status.code !== STATUS.ok) return { ...status, message: undefined, ...lists };
  const message = readMessage(body, headers["grpc-encoding"], maxBytes);
  return message && { ...status, message, ...lists };
}
