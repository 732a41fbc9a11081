/**
 * The REST face: an entry is a resource at /v1/NAMESPACE/KEY, its value is the representation as it was stored, and its version
 * the entity tag. Requests run the handlers of CacheService, as calls of the methods that do the same.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { isMessage, type Message } from "@bufbuild/protobuf";
import { codeToHttpStatus, codeToString } from "@connectrpc/connect/protocol-connect";
import {
  CacheService,
  GetResponseSchema,
  type Hit,
  SetResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { Boundary } from "../common/boundary.ts";
import type { Limits } from "../rpc/limits.ts";
import type { UnaryHandler } from "../server/calls/handler.ts";
import type { ServedMethod } from "../server/calls/methods.ts";
import type { CallRegister, HeaderReader } from "../server/calls/registry.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { failureOf } from "./call-interceptor.ts";
import { isNoneMatch, MUST_ASK, toEntityTag } from "./conditional-get.ts";
import { acceptsCoding } from "./content-coding.ts";
import { type EntryPath, pathOf, toGetRequest, toInvalidateRequest, toSetRequest } from "./edge-request.ts";
import type { Route } from "./gateway.ts";
import { HttpCall } from "./http-call.ts";
import { runHandler } from "./implementations.ts";
import { readerOf } from "./request.ts";
import { collect } from "./request-body.ts";
import type { RpcGateway } from "./rpc-gateway.ts";

export interface EdgeRouteOptions {
  readonly methods: readonly ServedMethod[];
  readonly rpc: Pick<RpcGateway, "sessionOf">;
  readonly register: CallRegister;
  readonly telemetry: Telemetry;
  readonly boundary: Boundary;
  readonly limits: Limits;
}

interface EdgeAnswer {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array | string;
}

type Verb = "get" | "set" | "invalidate";
const VERBS: ReadonlyMap<string, Verb> = new Map([
  ["GET", "get"],
  ["HEAD", "get"],
  ["PUT", "set"],
  ["DELETE", "invalidate"],
]);
const ALLOWED = "GET, HEAD, PUT, DELETE";

export class EdgeRoute implements Route {
  readonly #options: EdgeRouteOptions;
  readonly #handlers: ReadonlyMap<string, UnaryHandler<Message, Message>>;

  constructor(options: EdgeRouteOptions) {
    this.#options = options;
    const own = options.methods.filter(({ descriptor }) => descriptor.parent === CacheService);
    this.#handlers = new Map(
      own.flatMap(({ descriptor, handler }) =>
        handler.kind === "unary" ? [[descriptor.localName, handler] as const] : [],
      ),
    );
  }

  serve(request: IncomingMessage, response: ServerResponse): boolean {
    if (!(request.url ?? "").startsWith("/v1/")) return false;
    const verb = VERBS.get(request.method ?? "");
    if (verb === undefined) {
      response.writeHead(405, { allow: ALLOWED }).end();
      return true;
    }
    const { rpc, register, boundary } = this.#options;
    const method = {
      path: `/${CacheService.typeName}/${CacheService.method[verb].name}`,
      requestStream: false,
      responseStream: false,
    };
    const { socket } = request;
    const call = new HttpCall(method, rpc.sessionOf(socket), response, register, readerOf(request));
    response.once(
      "close",
      boundary.guard(socket, () => call.closed(response.writableFinished)),
    );
    this.#answer(call, verb, request)
      .then((answer) => send(call, response, request, answer))
      .catch((error: unknown) => {
        if (call.refusal === undefined) boundary.caught(socket, error);
        else socket.destroy();
      });
    return true;
  }

  /** What fails becomes an answer too. */
  async #answer(call: HttpCall, verb: Verb, request: IncomingMessage): Promise<EdgeAnswer> {
    try {
      call.begin();
      const path = pathOf(request.url ?? "");
      if (path === undefined) return { status: 404 };
      const asked = await this.#toMessage(call, verb, path, request);
      await call.orEnd(call.turn());
      call.holdRequest(0);
      const outcome = await call.orEnd(this.#run(call, verb, asked));
      call.conclude(0);
      return toAnswer(outcome, readerOf(request));
    } catch (error) {
      const { code, rawMessage } = failureOf(call, error, this.#options.telemetry);
      const body = JSON.stringify({ code: codeToString(code), message: rawMessage });
      return { status: codeToHttpStatus(code), headers: { "content-type": "application/json" }, body };
    }
  }

  async #toMessage(call: HttpCall, verb: Verb, path: EntryPath, request: IncomingMessage): Promise<Message> {
    const header = readerOf(request);
    if (verb === "get") return toGetRequest(path, header);
    if (verb === "invalidate") return toInvalidateRequest(path, header);
    const { receiveMaxBytes } = this.#options.limits;
    const value = await collect(call, request.iterator({ destroyOnReturn: false }), receiveMaxBytes);
    return toSetRequest(path, header, value);
  }

  #run(call: HttpCall, verb: Verb, request: Message): Promise<Message> {
    const handler = this.#handlers.get(verb);
    if (handler === undefined) throw new Error(`no handler for ${verb}`);
    const { limits, boundary } = this.#options;
    return runHandler(handler, request, call.context(limits, false), call, boundary);
  }
}

function toAnswer(outcome: Message, header: HeaderReader): EdgeAnswer {
  if (isMessage(outcome, GetResponseSchema)) {
    if (outcome.outcome.case !== "hit") return { status: 404 };
    return toRepresentation(outcome.asOf?.epoch ?? 0n, outcome.outcome.value, header);
  }
  if (!isMessage(outcome, SetResponseSchema)) return { status: 204 };
  if (outcome.outcome.case !== "stored") {
    return { status: 412 };
  }
  const etag = toEntityTag(outcome.asOf?.epoch ?? 0n, {
    version: outcome.outcome.value.version,
    stale: false,
  });
  return { status: 204, headers: { etag } };
}

function toRepresentation(epoch: bigint, hit: Hit, header: HeaderReader): EdgeAnswer {
  if (hit.absent) return { status: 404, headers: { "meshcache-absent": "true" } };
  const etag = toEntityTag(epoch, hit);
  const headers = {
    etag,
    "cache-control": MUST_ASK,
    age: String(hit.ageMs / 1_000n),
    ...(hit.ttlRemainingMs > 0n && { "meshcache-ttl-ms": String(hit.ttlRemainingMs) }),
    ...(hit.stale && { "meshcache-stale": "true" }),
    ...(hit.tags.length > 0 && { "meshcache-tags": hit.tags.map(encodeURIComponent).join(", ") }),
    ...(hit.contentEncoding !== "" && { vary: "Accept-Encoding" }),
  };
  if (isNoneMatch(header("if-none-match"), etag)) return { status: 304, headers };
  if (hit.contentEncoding !== "" && !acceptsCoding(header("accept-encoding"), hit.contentEncoding)) {
    return {
      status: 406,
      headers: { vary: headers.vary, "meshcache-content-encoding": hit.contentEncoding },
    };
  }
  const contentType = hit.contentType === "" ? "application/octet-stream" : hit.contentType;
  const representation = {
    "content-type": contentType,
    ...(hit.contentEncoding !== "" && { "content-encoding": hit.contentEncoding }),
  };
  return { status: 200, headers: { ...headers, ...representation }, body: hit.value };
}

function send(call: HttpCall, response: ServerResponse, request: IncomingMessage, answer: EdgeAnswer): void {
  const { status, headers = {}, body } = answer;
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const hasLength = bytes !== undefined || (status !== 204 && status !== 304);
  const { vary, ...others } = headers;
  // An answer to a page of another origin varies by that too.
  if (vary !== undefined) response.appendHeader("vary", vary);
  response.writeHead(status, {
    "cache-control": "no-store",
    ...others,
    ...(hasLength && { "content-length": bytes?.length ?? 0 }),
  });
  if (bytes === undefined || request.method === "HEAD") {
    response.end();
    return;
  }
  call.holdAnswer(bytes.length);
  response.end(bytes);
}
