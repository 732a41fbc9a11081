/** The sidecar: a proxy before a gRPC service of any language that caches its responses as its descriptors declare. */
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { Sharing } from "../../../gen/meshcache/options/v1/caching_pb.ts";
import { type Boundary, createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { type HostPort, toHostPort } from "../../common/host-port.ts";
import type { Answer } from "../answer.ts";
import type { ReadRule } from "../options/read-rule.ts";
import type { ServiceSource } from "../options/service-methods.ts";
import type { WriteRule } from "../options/write-rule.ts";
import {
  type AnswerSource,
  type KeyedCall,
  markSpan,
  ResponseCache,
  type ResponseCacheOptions,
  SOURCE_METADATA,
} from "../response-cache.ts";
import { forward } from "./forward.ts";
import {
  forwarded,
  isGrpc,
  readMessage,
  responseHeaders,
  STATUS,
  statusHeaders,
  timeoutMsOf,
  toCallMetadata,
  toHeaders,
  writeMessage,
} from "./grpc-http2.ts";
import { Upstream, type UpstreamAnswer } from "./upstream.ts";

export interface SidecarOptions extends ResponseCacheOptions {
  readonly listen: HostPort;
  readonly upstream: HostPort;
  readonly services: readonly ServiceSource[];
  /**
   * SHARING_ALL holds for calls with credentials too: the network before the sidecar lets only those through who may call. Default
   * false: such calls go to the service.
   */
  readonly shareAuthorized?: boolean;
  /** Told of faults of the sidecar itself, once for each cause. */
  readonly onFault?: (error: unknown) => void;
}

export interface SidecarCounts {
  near: number;
  remote: number;
  miss: number;
  stale: number;
  /** Calls of cached methods that went to the service. */
  bypassed: number;
  writes: number;
  /** Calls of other methods. */
  passed: number;
}

export interface Sidecar {
  /** "HOST:PORT" */
  readonly address: string;
  readonly counts: Readonly<SidecarCounts>;
  close(): Promise<void>;
}

/** The longest message of a request or of a response that is looked at: the default of gRPC. */
const MESSAGE_MAX_BYTES = 4 * 2 ** 20;
const PREFIX_BYTES = 5;
/** Of one connection. */
const STREAMS_MAX = 1_000;
const HEADERS_MAX_BYTES = 16 * 1024;
const LOAD_MARGIN_MS = 1_000;

/** Resolves once it listens. Rejects when it cannot, and with FIELD_INVALID for options of methods that are wrong. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const boundary = createBoundary(options.onFault ?? (() => {}));
  const upstream = new Upstream(options.upstream, boundary);
  const calls = new SidecarCalls(
    new ResponseCache(options, options.services),
    upstream,
    options.shareAuthorized === true,
  );
  const server = boundary.contain(
    Object.assign(
      createServer({
        settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: HEADERS_MAX_BYTES },
      }),
      { destroy: () => {} },
    ),
  );
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(boundary.contain(session));
    session.on("error", () => session.destroy());
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => calls.take(boundary.contain(stream), headers));
  const address = await listen(server, options.listen, boundary);
  return {
    address,
    counts: calls.counts,
    close: () =>
      new Promise((resolve) => {
        for (const session of sessions) session.destroy();
        upstream.close();
        server.close(() => resolve());
      }),
  };
}

function listen(server: Http2Server, { host, port }: HostPort, boundary: Boundary): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      server.on(
        "error",
        boundary.guard(undefined, (error: unknown) => boundary.caught(undefined, error)),
      );
      resolve(toHostPort(host, (server.address() as AddressInfo).port));
    });
  });
}

class SidecarCalls {
  readonly #responses: ResponseCache;
  readonly #upstream: Upstream;
  readonly #shareAuthorized: boolean;
  readonly counts: SidecarCounts = {
    near: 0,
    remote: 0,
    miss: 0,
    stale: 0,
    bypassed: 0,
    writes: 0,
    passed: 0,
  };

  constructor(responses: ResponseCache, upstream: Upstream, shareAuthorized: boolean) {
    this.#responses = responses;
    this.#upstream = upstream;
    this.#shareAuthorized = shareAuthorized;
  }

  take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // A reset is no fault: `close` follows.
    stream.on("error", () => {});
    const rule = isGrpc(headers) ? this.#responses.ruleOf(String(headers[":path"])) : undefined;
    if (rule === undefined) {
      this.counts.passed += 1;
      this.#forward(stream, headers, undefined, false);
      return;
    }
    collect(stream, (body, isWhole) => {
      if (rule.kind === "write") this.#write(stream, headers, rule, body, isWhole);
      else if (isWhole) this.#read(stream, headers, rule, body);
      else this.#bypass(stream, headers, body, false);
    });
  }

  #forward(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    body: Buffer | undefined,
    isWhole: boolean,
    ending?: (code: number) => Promise<OutgoingHttpHeaders>,
  ): void {
    forward(this.#upstream, { stream, headers, body, isWhole, ending });
  }

  #bypass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer, isWhole: boolean): void {
    this.counts.bypassed += 1;
    this.#forward(stream, headers, body, isWhole);
  }

  // ---- Reads -----------------------------------------------------------------------------------------------

  #read(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rule: ReadRule, body: Buffer): void {
    const keyed = this.#keyOf(headers, rule, body);
    if (keyed === undefined) {
      this.#bypass(stream, headers, body, true);
      return;
    }
    const near = this.#responses.near(keyed);
    if (near !== undefined) {
      this.#answer(stream, near, "near");
      return;
    }
    const timeoutMs = timeoutMsOf(headers);
    const timer =
      timeoutMs === Number.POSITIVE_INFINITY
        ? undefined
        : systemClock.schedule(Math.min(timeoutMs, 2 ** 31 - 1), () => expire(stream), true);
    stream.on("close", () => timer?.cancel());
    let own: UpstreamAnswer | undefined;
    const load = async (signal: AbortSignal): Promise<Answer> => {
      own = await this.#upstream.call(
        this.#loadHeaders(headers),
        body,
        MESSAGE_MAX_BYTES + PREFIX_BYTES,
        signal,
      );
      return own.answer;
    };
    this.#responses.read(keyed, load).then(
      (sourced) => {
        if (stream.destroyed || stream.headersSent) return;
        if (sourced === undefined) this.#bypass(stream, headers, body, true);
        else this.#answer(stream, sourced.answer, sourced.source);
      },
      // The service has given no answer. It is asked for this call alone, which passes on how that ends.
      () => {
        if (!stream.destroyed && !stream.headersSent) this.#bypass(stream, headers, body, true);
      },
    );
  }

  #keyOf(headers: IncomingHttpHeaders, rule: ReadRule, body: Buffer): KeyedCall | undefined {
    const hasCredentials = headers.authorization !== undefined || headers.cookie !== undefined;
    if (rule.sharing === Sharing.ALL && hasCredentials && !this.#shareAuthorized) return undefined;
    const request = readMessage(body, headers["grpc-encoding"], MESSAGE_MAX_BYTES);
    return request && this.#responses.keyOf(rule, request, toCallMetadata(headers), undefined);
  }

  /** Others wait for the answer too: it has a time of its own, and an encoding that can be read here. */
  #loadHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
    return {
      ...forwarded(headers, [":method", ":scheme", ":path", ":authority"]),
      "grpc-timeout": `${this.#responses.loadTimeoutMs + LOAD_MARGIN_MS}m`,
      "grpc-accept-encoding": "identity",
    };
  }

  #answer(stream: ServerHttp2Stream, answer: Answer, source: AnswerSource): void {
    if (stream.destroyed) return;
    this.counts[source] += 1;
    markSpan(source);
    const trailers = { ...toHeaders(answer.trailers), ...statusHeaders(answer) };
    const headers = { ...toHeaders(answer.metadata), ...responseHeaders(undefined, source) };
    if (answer.message === undefined) {
      stream.respond({ ...headers, ...trailers }, { endStream: true });
      return;
    }
    stream.respond(headers, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(writeMessage(answer.message));
  }

  // ---- Writes ----------------------------------------------------------------------------------------------

  #write(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rule: WriteRule,
    body: Buffer,
    isWhole: boolean,
  ): void {
    this.counts.writes += 1;
    const request = isWhole ? readMessage(body, headers["grpc-encoding"], MESSAGE_MAX_BYTES) : undefined;
    if (request === undefined) {
      // What it makes untrue cannot be told, so it must not happen.
      refuse(stream, isWhole);
      return;
    }
    const endsAtMs = systemClock.wallMs() + timeoutMsOf(headers);
    this.#forward(stream, headers, body, true, async (code) => {
      // The answer must reach the caller before its deadline, so no more than half of the time is waited for.
      const waitMs = (endsAtMs - systemClock.wallMs()) / 2;
      const effect = await this.#responses.written(rule, request, code, waitMs);
      markSpan(effect);
      return { [SOURCE_METADATA]: effect };
    });
  }
}

/** Reads the request, as much of it as is looked at. Calls `done` once, unless the caller goes away. */
function collect(stream: ServerHttp2Stream, done: (body: Buffer, isWhole: boolean) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  let isDone = false;
  const finish = (isWhole: boolean) => {
    if (isDone) return;
    isDone = true;
    stream.off("data", take);
    stream.pause();
    done(Buffer.concat(chunks), isWhole);
  };
  const take = (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MESSAGE_MAX_BYTES + PREFIX_BYTES) finish(false);
  };
  stream.on("data", take);
  stream.once("end", () => finish(true));
}

function expire(stream: ServerHttp2Stream): void {
  if (stream.destroyed || stream.headersSent) return;
  const status = { code: STATUS.deadlineExceeded, details: "Deadline exceeded" };
  stream.respond({ ...responseHeaders(undefined), ...statusHeaders(status) }, { endStream: true });
}

function refuse(stream: ServerHttp2Stream, isWhole: boolean): void {
  const status = isWhole
    ? {
        code: STATUS.unimplemented,
        details: "the proxy reads requests that are plain, or compressed by gzip or deflate",
      }
    : {
        code: STATUS.resourceExhausted,
        details: `requests of writes are limited to ${MESSAGE_MAX_BYTES} bytes`,
      };
  stream.respond({ ...responseHeaders(undefined), ...statusHeaders(status) }, { endStream: true });
  if (!isWhole) stream.close(constants.NGHTTP2_NO_ERROR);
}
