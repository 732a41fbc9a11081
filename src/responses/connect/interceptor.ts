/** The interceptor that keeps the responses of services of Connect, whatever protocol carries them, on either side. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConnectError, type Interceptor, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import type { Answer } from "../answer.ts";
import { type AnswerSource, markSpan, SOURCE_METADATA } from "../answer-source.ts";
import type { ReadRule } from "../options/read-rule.ts";
import type { ServiceSource } from "../options/service-methods.ts";
import type { WriteRule } from "../options/write-rule.ts";
import { ResponseCache, type ResponseCacheOptions } from "../response-cache.ts";
import { fromConnectError, toConnectError } from "./errors.ts";
import { toCallMetadata, toHeaders, toList } from "./headers.ts";

export interface ConnectCacheOptions extends ResponseCacheOptions {
  /** What describes the services with their options: generated services or files, or an encoded FileDescriptorSet. */
  readonly services: ServiceSource | readonly ServiceSource[];
  /**
   * The transport has credentials that an interceptor cannot see, such as a client certificate. Then methods are cached whose
   * `sharing` is SHARING_ALL, and no others. Default false.
   */
  readonly hasCredentials?: boolean;
}

type Next = (request: UnaryRequest) => Promise<UnaryResponse>;

/**
 * Makes an interceptor for the `interceptors` of a transport or of a server. In a server it comes after those that decide who may
 * call: what comes after it, and the implementation, do not run for an answer from the cache. Throws FIELD_INVALID for an
 * option that is out of its range, and for options of methods that are wrong.
 */
export function createCacheInterceptor(options: ConnectCacheOptions): Interceptor {
  const { services, hasCredentials = false } = options;
  const list: readonly ServiceSource[] = Array.isArray(services) ? services : [services];
  const responses = new ResponseCache(options, list);
  return (next) => async (request) => {
    if (request.stream) return next(request);
    const rule = responses.ruleOf(`/${request.service.typeName}/${request.method.name}`);
    if (rule === undefined) return next(request);
    const encoded = encodeRequest(request);
    // The call itself says what is wrong with the request.
    if (encoded === undefined) return next(request);
    const unary = next as Next;
    return rule.kind === "read"
      ? read(responses, rule, encoded, request, unary, hasCredentials)
      : write(responses, rule, encoded, request, unary);
  };
}

function encodeRequest({ method, message }: UnaryRequest): Uint8Array | undefined {
  try {
    return toBinary(method.input, message);
  } catch {
    return undefined;
  }
}

// ---- Reads -------------------------------------------------------------------------------------------------

async function read(
  responses: ResponseCache,
  rule: ReadRule,
  encoded: Uint8Array,
  request: UnaryRequest,
  next: Next,
  hasCredentials: boolean,
): Promise<UnaryResponse> {
  const other = hasCredentials ? "hidden" : undefined;
  const keyed = responses.keyOf(rule, encoded, toCallMetadata(request.header), other);
  if (keyed === undefined) return next(request);
  const near = responses.near(keyed);
  if (near !== undefined) return (await respond(request, near, "near")) ?? next(request);
  let own: { readonly response: UnaryResponse } | { readonly error: unknown } | undefined;
  const load = async (signal: AbortSignal): Promise<Answer> => {
    try {
      const response = await next({ ...request, signal, header: withoutTimeout(request.header) });
      own = { response };
      return toAnswer(response);
    } catch (error) {
      // An end that is ours is no answer of the service.
      if (signal.aborted) throw error;
      own = { error };
      return fromConnectError(error);
    }
  };
  const sourced = await beforeAbort(request.signal, responses.read(keyed, load)).catch((error: unknown) => {
    if (request.signal.aborted) throw error;
    return undefined;
  });
  if (sourced === undefined) return next(request);
  const { answer, source, isOwn } = sourced;
  if (!isOwn || own === undefined) return (await respond(request, answer, source)) ?? next(request);
  markSpan(source);
  if ("error" in own) throw own.error;
  return { ...own.response, header: withMark(own.response.header, source) };
}

/** Undefined: it was stored by another version of the service, or by somebody else. Rejects with an error that is kept. */
async function respond(
  request: UnaryRequest,
  answer: Answer,
  source: AnswerSource,
): Promise<UnaryResponse | undefined> {
  const { service, method } = request;
  if (answer.code !== 0) {
    markSpan(source);
    throw toConnectError(answer, source);
  }
  try {
    const message = fromBinary(method.output, answer.message ?? new Uint8Array(0));
    markSpan(source);
    return {
      stream: false,
      service,
      method,
      message,
      header: withContentType(request, withMark(toHeaders(answer.metadata), source)),
      trailer: toHeaders(answer.trailers),
    };
  } catch {
    return undefined;
  }
}

/** A server of Connect sends the headers of the answer alone, without those of the protocol. */
function withContentType({ header, url, requestMethod }: UnaryRequest, answer: Headers): Headers {
  const isGet = requestMethod === "GET";
  const type = isGet ? new URL(url).searchParams.get("encoding") : header.get("content-type");
  if (type !== null) answer.set("content-type", isGet ? `application/${type}` : type);
  return answer;
}

function toAnswer({ method, message, header, trailer }: UnaryResponse): Answer {
  return {
    code: 0,
    details: "OK",
    message: toBinary(method.output, message),
    metadata: toList(header),
    trailers: toList(trailer),
  };
}

/** Others wait for the load too: it has a time of its own. */
function withoutTimeout(header: Headers): Headers {
  const copy = new Headers(header);
  copy.delete("connect-timeout-ms");
  copy.delete("grpc-timeout");
  return copy;
}

function withMark(header: Headers, mark: string): Headers {
  const copy = new Headers(header);
  copy.set(SOURCE_METADATA, mark);
  return copy;
}

/** Rejects as soon as the caller's signal is aborted, by its deadline or by itself. */
function beforeAbort<Result>(signal: AbortSignal, promise: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(ConnectError.from(signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

// ---- Writes ------------------------------------------------------------------------------------------------

async function write(
  responses: ResponseCache,
  rule: WriteRule,
  encoded: Uint8Array,
  request: UnaryRequest,
  next: Next,
): Promise<UnaryResponse> {
  let response: UnaryResponse | undefined;
  let error: unknown;
  try {
    response = await next(request);
  } catch (thrown) {
    error = thrown;
  }
  const code = response === undefined ? ConnectError.from(error).code : 0;
  const written = responses.written(rule, encoded, code, Number.POSITIVE_INFINITY);
  const effect = await beforeAbort(request.signal, written).catch(() => "queued" as const);
  markSpan(effect);
  if (response === undefined) {
    if (error instanceof ConnectError) error.metadata.set(SOURCE_METADATA, effect);
    throw error;
  }
  return { ...response, trailer: withMark(response.trailer, effect) };
}
