/** The connection of the sidecar to the service: one HTTP/2 session, replaced when it ends. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import { type HostPort, toHostPort } from "../../common/host-port.ts";
import type { Answer } from "../answer.ts";
import { PREFIX_BYTES, readMessage, STATUS, statusOf, toList } from "./grpc-http2.ts";
import type { CallDeps } from "./incoming-call.ts";

export class Upstream {
  readonly #authority: string;
  readonly #deps: CallDeps;
  #session: ClientHttp2Session | undefined;
  /** Calls under way. */
  #calls = 0;

  constructor({ host, port }: HostPort, deps: CallDeps) {
    this.#authority = `http://${toHostPort(host, port)}`;
    this.#deps = deps;
  }

  /** A stream to the service. Its `error` event tells that there is no connection. Throws LIMIT_EXCEEDED. */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const { boundary, limits } = this.#deps;
    if (this.#calls >= limits.upstreamCallsMax)
      throw limitExceeded("upstreamCallsMax", String(limits.upstreamCallsMax));
    const stream = boundary.contain(this.#ready().request(headers, { endStream: false }));
    this.#calls += 1;
    stream.once("close", () => {
      this.#calls -= 1;
    });
    return stream;
  }

  /**
   * A unary call. Rejects when the service gives no answer, or one that is too long, and when `signal` is aborted; then the stream
   * is reset.
   */
  call(headers: OutgoingHttpHeaders, body: Buffer, signal: AbortSignal): Promise<Answer> {
    const { boundary, budget, limits } = this.#deps;
    return new Promise((resolve, reject) => {
      const stream = boundary.contain(this.open(headers));
      const chunks: Buffer[] = [];
      let size = 0;
      let response: IncomingHttpHeaders = {};
      let trailers: IncomingHttpHeaders | undefined;
      const fail = (error: Error) => {
        reject(error);
        stream.destroy();
      };
      const abort = boundary.guard(stream, () => fail(new CacheError("CANCELLED", "the load was given up")));
      signal.addEventListener("abort", abort, { once: true });
      stream.on("response", (received) => {
        response = received;
      });
      stream.on("trailers", (received) => {
        trailers = received;
      });
      stream.on("data", (chunk: Buffer) => {
        if (stream.destroyed) return;
        if (size + chunk.length > limits.messageMaxBytes + PREFIX_BYTES || !budget.take(chunk.length)) {
          fail(new CacheError("LIMIT_EXCEEDED", "the response is too large to be kept"));
          return;
        }
        size += chunk.length;
        chunks.push(chunk);
      });
      stream.on("error", fail);
      stream.on("close", () => {
        budget.give(size);
        signal.removeEventListener("abort", abort);
        const answer = toAnswer(response, trailers, Buffer.concat(chunks), limits.messageMaxBytes);
        if (answer === undefined) reject(new CacheError("UNAVAILABLE", "the service gave no answer"));
        else resolve(answer);
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
    const { boundary, limits } = this.#deps;
    const settings = { enablePush: false, maxHeaderListSize: limits.headersMaxBytes };
    const session = boundary.contain(connect(this.#authority, { settings }));
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
