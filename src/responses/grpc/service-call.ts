/** A call to the service for all who wait for its answer, and what it has answered. */
import { type InterceptorOptions, Metadata, type NextCall, type StatusObject, status } from "@grpc/grpc-js";
import { systemClock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import type { Answer } from "../answer.ts";
import type { SerializeResponse } from "./client-interceptor.ts";
import { toList } from "./metadata.ts";

/** What the service has answered, as grpc-js gives it. */
export interface Received {
  readonly metadata: Metadata;
  readonly message: unknown;
  readonly status: StatusObject;
}

export interface ServiceRequest {
  readonly metadata: Metadata;
  readonly message: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A load goes on this much longer than its callers wait for it, so that its own end is not taken for an answer. */
const LOAD_MARGIN_MS = 1_000;

/**
 * A call that ends neither with the deadline of the one that it is made for nor with its cancellation: others may wait for its
 * answer. Rejects when it has taken too long, or the cache was closed.
 */
export function callService(
  nextCall: NextCall,
  { deadline: _, parent: __, ...others }: InterceptorOptions,
  { metadata: sent, message: request, timeoutMs, signal }: ServiceRequest,
): Promise<Received> {
  const call = nextCall({ ...others, deadline: systemClock.wallMs() + timeoutMs + LOAD_MARGIN_MS });
  return new Promise((resolve, reject) => {
    let metadata = new Metadata();
    let message: unknown;
    const abort = () => {
      call.cancelWithStatus(status.CANCELLED, "the load was given up");
      reject(new CacheError("CANCELLED", "the load was given up"));
    };
    signal.addEventListener("abort", abort, { once: true });
    call.start(sent, {
      onReceiveMetadata: (received) => {
        metadata = received;
      },
      onReceiveMessage: (received) => {
        // grpc-js says null where there was none.
        message = received ?? undefined;
      },
      onReceiveStatus: (end) => {
        signal.removeEventListener("abort", abort);
        resolve({ metadata, message, status: end });
      },
    });
    call.sendMessage(request);
    call.halfClose();
  });
}

export function toAnswer(
  { metadata, message, status: { code, details, metadata: trailers } }: Received,
  serialize: SerializeResponse,
): Answer {
  const lists = { metadata: toList(metadata), trailers: toList(trailers) };
  if (code !== status.OK) return { code, details, message: undefined, ...lists };
  // grpc-js makes this error of it, so it is not to be kept as an answer that is OK.
  if (message === undefined)
    return { code: status.UNIMPLEMENTED, details: "No message received", message, ...lists };
  return { code, details, message: serialize(message), ...lists };
}
