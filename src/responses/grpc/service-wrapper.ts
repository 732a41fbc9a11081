/** Wraps the handlers of a service for a server of grpc-js, so that its responses are cached where they are made. */
import {
  type handleUnaryCall,
  type Metadata,
  type MethodDefinition,
  type ServerUnaryCall,
  type ServiceDefinition,
  type StatusObject,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Answer } from "../answer.ts";
import { markSpan } from "../answer-source.ts";
import type { OtherCredentials } from "../caller-variant.ts";
import type { ReadRule } from "../options/read-rule.ts";
import type { ServiceSource } from "../options/service-methods.ts";
import type { WriteRule } from "../options/write-rule.ts";
import { ResponseCache, type ResponseCacheOptions, type SourcedAnswer } from "../response-cache.ts";
import { remainingMs } from "./deadline.ts";
import { type Outcome, runDetached } from "./detached-call.ts";
import { toCallMetadata, toList, toMetadata, withMark } from "./metadata.ts";
import { toServiceError } from "./service-error.ts";

type UnaryCall = ServerUnaryCall<unknown, unknown>;
type UnaryHandler = handleUnaryCall<unknown, unknown>;

export interface CachedServiceOptions extends ResponseCacheOptions {
  /**
   * Says whether the caller may call: it returns, or throws a ServiceError. It runs before every answer of a cached method, one from
   * the cache too: what a handler checks does not run then. "before": the server's interceptors have decided, or all may call.
   */
  readonly authorize: ((call: UnaryCall) => void | Promise<void>) | "before";
  /** As for an interceptor. Default: the definition, which @grpc/proto-loader makes with descriptors. */
  readonly services?: ServiceSource | readonly ServiceSource[];
}

/** A response that was encoded when it was stored. */
class Encoded {
  readonly bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/**
 * The definition and the handlers for `server.addService(...cacheService(definition, handlers, options))`. Throws FIELD_INVALID
 * for an option that is out of its range, and for options of methods that are wrong.
 */
export function cacheService(
  definition: ServiceDefinition,
  handlers: UntypedServiceImplementation,
  options: CachedServiceOptions,
): [ServiceDefinition, UntypedServiceImplementation] {
  const { services = definition } = options;
  const responses = new ResponseCache(options, Array.isArray(services) ? services : [services]);
  const wrapped: Record<string, MethodDefinition<unknown, unknown>> = {};
  const all: UntypedServiceImplementation = { ...handlers };
  for (const [name, method] of Object.entries(definition)) {
    const rule = responses.ruleOf(method.path);
    wrapped[name] = rule?.kind === "read" ? sendingEncoded(method) : method;
    // As grpc-js looks for it.
    const handler = handlers[name] ?? (method.originalName && handlers[method.originalName]);
    if (rule === undefined || typeof handler !== "function") continue;
    const bound = handler.bind(handlers) as UnaryHandler;
    all[name] =
      rule.kind === "read"
        ? cachedHandler(responses, rule, method, bound, options.authorize)
        : writingHandler(responses, rule, method, bound);
  }
  return [wrapped as ServiceDefinition, all];
}

function sendingEncoded(method: MethodDefinition<unknown, unknown>): MethodDefinition<unknown, unknown> {
  return {
    ...method,
    responseSerialize: (response) =>
      response instanceof Encoded ? response.bytes : method.responseSerialize(response),
  };
}

// ---- Reads -------------------------------------------------------------------------------------------------

function cachedHandler(
  responses: ResponseCache,
  rule: ReadRule,
  method: MethodDefinition<unknown, unknown>,
  handler: UnaryHandler,
  authorize: CachedServiceOptions["authorize"],
): UnaryHandler {
  const answer = async (call: UnaryCall, callback: sendUnaryData<unknown>): Promise<void> => {
    if (authorize !== "before") await authorize(call);
    const request = method.requestSerialize(call.request);
    const keyed = responses.keyOf(rule, request, toCallMetadata(call.metadata), certificateOf(call));
    if (keyed === undefined) return handler(call, callback);
    const near = responses.near(keyed);
    if (near !== undefined) return respond(call, callback, { answer: near, source: "near", isOwn: false });
    let outcome: Outcome | undefined;
    const load = async (signal: AbortSignal) => {
      outcome = await runDetached(handler, call, signal, responses.loadTimeoutMs);
      return toAnswer(outcome, method);
    };
    const sourced = await responses.read(keyed, load);
    if (sourced === undefined) return handler(call, callback);
    if (!sourced.isOwn || outcome === undefined) return respond(call, callback, sourced);
    markSpan(sourced.source);
    call.sendMetadata(withMark(outcome.metadata, sourced.source));
    callback(outcome.error, outcome.response, outcome.trailers, outcome.flags);
  };
  return (call, callback) => {
    answer(call, callback).catch((error: unknown) => callback(toServiceError(error)));
  };
}

function respond(call: UnaryCall, callback: sendUnaryData<unknown>, { answer, source }: SourcedAnswer): void {
  const { code, details, message, metadata, trailers } = answer;
  markSpan(source);
  call.sendMetadata(toMetadata(metadata, source));
  const trailer = toMetadata(trailers);
  if (code === status.OK) callback(null, new Encoded(message ?? Buffer.alloc(0)), trailer);
  else callback({ code, details, metadata: trailer }, null, trailer);
}

function toAnswer(outcome: Outcome, method: MethodDefinition<unknown, unknown>): Answer {
  const { code, details, metadata } = statusOf(outcome.error, outcome.trailers);
  return {
    code,
    details,
    message: code === status.OK ? method.responseSerialize(outcome.response) : undefined,
    metadata: outcome.metadata === undefined ? [] : toList(outcome.metadata),
    trailers: metadata === undefined ? [] : toList(metadata),
  };
}

/** A certificate that the server has verified. Another one has no fingerprint here. */
function certificateOf(call: UnaryCall): OtherCredentials {
  // Older releases of grpc-js do not have it.
  const fingerprint = call.getAuthContext?.().sslPeerCertificate?.fingerprint256;
  return fingerprint === undefined ? undefined : { text: fingerprint };
}

// ---- Writes ------------------------------------------------------------------------------------------------

function writingHandler(
  responses: ResponseCache,
  rule: WriteRule,
  method: MethodDefinition<unknown, unknown>,
  handler: UnaryHandler,
): UnaryHandler {
  return (call, callback) => {
    const request = method.requestSerialize(call.request);
    // The answer must reach the caller before its deadline, so no more than half of the time is waited for.
    const written = (code: number) =>
      responses.written(rule, request, code, remainingMs({ deadline: call.getDeadline() }) / 2);
    // A handler may have written, and give up without an answer when its caller has gone.
    const gone = () => void written(status.CANCELLED);
    call.once("cancelled", gone);
    const answer: sendUnaryData<unknown> = async (error, response, trailers, flags) => {
      call.off("cancelled", gone);
      const { code, metadata } = statusOf(error, trailers);
      const effect = await written(code);
      markSpan(effect);
      callback(error, response, withMark(metadata, effect), flags);
    };
    try {
      handler(call, answer);
    } catch (error) {
      answer(toServiceError(error), null);
    }
  };
}

// ---- Errors ------------------------------------------------------------------------------------------------

/** What grpc-js makes of an error of a handler. */
function statusOf(
  error: Outcome["error"],
  trailers: Metadata | undefined,
): Pick<StatusObject, "code" | "details"> & { readonly metadata: Metadata | undefined } {
  if (error === null) return { code: status.OK, details: "OK", metadata: trailers };
  const metadata = trailers ?? error.metadata;
  const message = "message" in error ? error.message : "Unknown Error";
  if (typeof error.code !== "number" || !Number.isInteger(error.code))
    return { code: status.UNKNOWN, details: message, metadata };
  return { code: error.code, details: error.details ?? message, metadata };
}
