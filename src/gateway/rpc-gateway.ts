/**
 * Serves methods over HTTP/1.1 by the Connect protocol, with messages as JSON or binary, and by gRPC-web. The Connect library
 * speaks the protocols; the calls are in the register of open calls, with the limits, deadlines, identity and span of any other.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createRegistry, type DescMethod, type Registry } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import type { Boundary } from "../common/boundary.ts";
import { CacheError } from "../common/errors.ts";
import type { Limits } from "../rpc/limits.ts";
import type { Principal } from "../security/identity/principal.ts";
import type { CallRegister } from "../server/calls/registry.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { createCallInterceptor } from "./call-interceptor.ts";
import { unlessKnown } from "./conditional-get.ts";
import { toConnectError } from "./connect-error.ts";
import { CALL, HttpCall } from "./http-call.ts";
import { HttpSession } from "./http-session.ts";
import { mistakeIn } from "./mistake.ts";
import { boundTimeout, failing, oneChunk, readerOf, takeMessage, toHeaders } from "./request.ts";
import { type BodyForm, formOf, readBody, streamedBody } from "./request-body.ts";
import { sendAnswer } from "./response.ts";

export interface RpcGatewayOptions {
  /** Adds what is served. */
  readonly routes: (router: ConnectRouter) => void;
  readonly register: CallRegister;
  readonly telemetry: Telemetry;
  readonly boundary: Boundary;
  readonly limits: Limits;
  /** The most that a unary call may take. A longer timeout of its caller is cut to it. */
  readonly callMaxMs: number;
  /** Of a request message, by the path of its method. Undefined: `limits.receiveMaxBytes`. */
  readonly requestMaxBytesOf?: (path: string) => number | undefined;
  /** The types that an Any may have. Default: those of the details of errors, which the results of a batch have. */
  readonly anyTypes?: Registry;
  /** Nothing that changes the store is served. */
  readonly readOnly: boolean;
  /** Whose client certificate a connection has shown. */
  readonly peerOf: (socket: Socket) => Principal | undefined;
}

/** No timer runs longer. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** Whoever stops to read a request may still answer it. */
const KEPT = { destroyOnReturn: false };

const READ_ONLY = new CacheError("PERMISSION_DENIED", "this port serves nothing that changes the store", {
  permission: "write",
});

export class RpcGateway {
  readonly #options: RpcGatewayOptions;
  readonly #handlers: ReadonlyMap<string, UniversalHandler>;
  readonly #sessions = new WeakMap<Socket, HttpSession>();

  constructor(options: RpcGatewayOptions) {
    this.#options = options;
    const { limits, telemetry, routes } = options;
    const router = createConnectRouter({
      // It has a port of its own.
      grpc: false,
      acceptCompression: [],
      readMaxBytes: limits.receiveMaxBytes,
      writeMaxBytes: limits.sendMaxBytes,
      jsonOptions: { registry: options.anyTypes ?? createRegistry(file_google_rpc_error_details) },
      interceptors: [createCallInterceptor(telemetry)],
      requestGate: (context) => this.#admit(context),
    });
    routes(router);
    this.#handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  }

  /** The connection of a socket. */
  sessionOf(socket: Socket): HttpSession {
    const known = this.#sessions.get(socket);
    if (known !== undefined) return known;
    const session = new HttpSession(socket, this.#options.peerOf);
    const { register } = this.#options;
    register.opened(session, socket);
    if (session.peer !== undefined) register.connected(socket, session.peer);
    this.#sessions.set(socket, session);
    return session;
  }

  /** False: the path is of no method that is served, and nothing was done. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const handler = this.#handlers.get(path);
    if (handler === undefined) return false;
    const { boundary, register } = this.#options;
    const { methodKind } = handler.method;
    const method = {
      path,
      requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
      responseStream: methodKind !== "unary" && methodKind !== "client_streaming",
    };
    const { socket } = request;
    const call = new HttpCall(method, this.sessionOf(socket), response, register, readerOf(request));
    const leave = new AbortController();
    response.once(
      "close",
      boundary.guard(socket, () => {
        call.closed(response.writableFinished);
        leave.abort();
      }),
    );
    this.#answer(call, handler, request, query, leave.signal)
      .then((answer) => sendAnswer(call, response, answer, boundary))
      .catch((error: unknown) => {
        // Of a call whose peer has gone it does not matter what fails.
        if (call.refusal === undefined) boundary.caught(socket, error);
        else socket.destroy();
      });
    return true;
  }

  async #answer(
    call: HttpCall,
    handler: UniversalHandler,
    incoming: IncomingMessage,
    query: string,
    signal: AbortSignal,
  ): Promise<UniversalServerResponse> {
    const isGet = incoming.method === "GET";
    if (isGet && !handler.allowedMethods.includes("GET")) return { status: 405, header: new Headers() };
    call.isGet = isGet;
    const header = toHeaders(incoming);
    // The library would judge by it what is counted here.
    header.delete("content-length");
    const message = isGet ? takeMessage(new URLSearchParams(query), header) : undefined;
    boundTimeout(header, call.streaming ? TIMEOUT_MAX_MS : this.#options.callMaxMs);
    const form = formOf(header.get("content-type") ?? "");
    const request: UniversalServerRequest = {
      httpVersion: incoming.httpVersion,
      url: `http://localhost${incoming.url}`,
      // An answer to a GET is made as to a POST with the same message.
      method: isGet ? "POST" : (incoming.method ?? ""),
      header,
      body: this.#bodyOf(
        call,
        handler.method,
        form,
        message === undefined ? incoming.iterator(KEPT) : oneChunk(message),
      ),
      signal,
      contextValues: createContextValues().set(CALL, call),
    };
    const answer = await handler(request);
    // The library would tell what was in a message that it cannot decode.
    const mistake = call.unread && mistakeIn(call.unread, handler.method.input, form);
    call.unread = undefined;
    if (mistake !== undefined) return handler({ ...request, body: failing(toConnectError(mistake)) });
    return isGet ? unlessKnown(answer, header.get("if-none-match")) : answer;
  }

  /** Runs when the headers of a request are there, before its body is read. */
  #admit({ values, method }: HandlerContext): void {
    const call = values.get(CALL);
    if (call === undefined) throw new Error("a call has no place in the register");
    if (!call.listed) call.begin();
    if (this.#options.readOnly && mayChange(method)) {
      call.conclude(toConnectError(READ_ONLY).code);
      throw toConnectError(READ_ONLY);
    }
  }

  async *#bodyOf(
    call: HttpCall,
    method: DescMethod,
    form: BodyForm,
    source: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    if (call.method.requestStream) {
      yield* streamedBody(call, source);
      return;
    }
    const { limits, requestMaxBytesOf } = this.#options;
    const maxBytes = requestMaxBytesOf?.(call.method.path) ?? limits.receiveMaxBytes;
    const body = await readBody(call, source, form, { input: method.input, maxBytes, limits });
    call.unread = body;
    yield body;
  }
}

/** Reading methods say so. A stream of events changes nothing either. */
function mayChange({ methodKind, idempotency }: DescMethod): boolean {
  return methodKind === "unary" && idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}
