/** The interceptor that keeps the responses of a service in clients of grpc-js. */
import {
  InterceptingCall,
  type Interceptor,
  type InterceptorOptions,
  type Metadata,
  type NextCall,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { fieldInvalid } from "../../common/errors.ts";
import { markSpan } from "../answer-source.ts";
import type { ServiceSource } from "../options/service-methods.ts";
import type { WriteRule } from "../options/write-rule.ts";
import { ResponseCache, type ResponseCacheOptions } from "../response-cache.ts";
import { CachedCall, type CachedMethod } from "./cached-call.ts";
import { remainingMs } from "./deadline.ts";
import { withMark } from "./metadata.ts";

export interface CacheInterceptorOptions extends ResponseCacheOptions {
  /**
   * The definitions of the services, as their clients have them (`client.service` of generated and of loaded clients): they
   * encode the responses that are kept.
   */
  readonly definitions: ServiceDefinition | readonly ServiceDefinition[];
  /**
   * What describes the services with their options. Default: the definitions, which @grpc/proto-loader makes with descriptors.
   * Others need this: descriptors of protobuf-es, or an encoded FileDescriptorSet.
   */
  readonly services?: ServiceSource | readonly ServiceSource[];
  /**
   * The channel has credentials of its own, which an interceptor cannot see: a client certificate, or call credentials that
   * were combined with those of the channel. Then methods are cached whose `sharing` is SHARING_ALL, and no others. Default false.
   */
  readonly hasCredentials?: boolean;
}

/** Encodes the responses of one method. */
export type SerializeResponse = (message: unknown) => Uint8Array;

/**
 * Makes an interceptor for the `interceptors` of clients: `new UserClient(address, credentials, { interceptors: [cached] })`.
 * Make one for a service and use it in all its clients. Throws FIELD_INVALID for an option that is out of its range, and for
 * options of methods that are wrong.
 */
export function createCacheInterceptor(options: CacheInterceptorOptions): Interceptor {
  const definitions = toList(options.definitions);
  const responses = new ResponseCache(options, toList(options.services ?? definitions));
  const hidden = options.hasCredentials === true;
  const reads = new Map<string, CachedMethod>();
  for (const { path, responseSerialize } of definitions.flatMap((one) => Object.values(one))) {
    const rule = responses.ruleOf(path);
    if (rule?.kind === "read") reads.set(path, { responses, rule, serialize: responseSerialize, hidden });
  }
  return (callOptions, nextCall) => {
    const { path } = callOptions.method_definition;
    const read = reads.get(path);
    if (read !== undefined) return new CachedCall(read, callOptions, nextCall);
    const rule = responses.ruleOf(path);
    if (rule === undefined) return new InterceptingCall(nextCall(callOptions));
    if (rule.kind === "write") return observeWrite(responses, rule, callOptions, nextCall);
    throw fieldInvalid("definitions", `with the method ${path}, which is cached`);
  };
}

/** A source may itself be an array no more than a definition may. */
function toList<Item>(items: Item | readonly Item[]): readonly Item[] {
  return Array.isArray(items) ? items : [items as Item];
}

/** Holds the answer of a write until its invalidations are acknowledged, for as long as the call may take at most. */
function observeWrite(
  responses: ResponseCache,
  rule: WriteRule,
  callOptions: InterceptorOptions,
  nextCall: NextCall,
): InterceptingCall {
  let request: unknown;
  return new InterceptingCall(nextCall(callOptions), {
    start(metadata: Metadata, _listener, next) {
      let answer: (() => void) | undefined;
      next(metadata, {
        onReceiveMetadata: (received, nextMetadata) => nextMetadata(received),
        onReceiveMessage: (message, nextMessage) => {
          answer = () => nextMessage(message);
        },
        onReceiveStatus: async (status, nextStatus) => {
          const bytes = encodeRequest(callOptions, request);
          const waitMs = remainingMs(callOptions);
          const effect =
            bytes === undefined ? "unchanged" : await responses.written(rule, bytes, status.code, waitMs);
          markSpan(effect);
          answer?.();
          nextStatus({ ...status, metadata: withMark(status.metadata, effect) });
        },
      });
    },
    sendMessage(message, next) {
      request = message;
      next(message);
    },
  });
}

/** Undefined: it cannot be encoded, so it was never sent. */
function encodeRequest(callOptions: InterceptorOptions, request: unknown): Uint8Array | undefined {
  try {
    return callOptions.method_definition.requestSerialize(request);
  } catch {
    return undefined;
  }
}
