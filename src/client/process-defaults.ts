/** What a client takes from its process unless a simulation replaces it: when it flushes, its transport, its warnings. */
import type { Boundary } from "../common/boundary.ts";
import type { Clock } from "../common/clock.ts";
import type { ResolvedClientOptions } from "./api/options.ts";
import { createGrpcTransport } from "./transport/grpc-transport.ts";
import { createHttp2Transport } from "./transport/http2-transport.ts";
import type { Transport } from "./transport/transport.ts";

// Taken when the client is loaded, since fake timers replace them: the client's messages must go on.
const { nextTick } = process;
export const { queueMicrotask } = globalThis;

/** After the microtasks that wait now, since they may issue operations too, and without a timer. */
export function runAfterMicrotasks(run: () => void): void {
  queueMicrotask(() => nextTick(run));
}

export function createTransport(
  { credentials, tls, token }: Pick<ResolvedClientOptions, "credentials" | "tls" | "token">,
  boundary: Boundary,
  clock: Clock,
): Transport {
  return credentials === undefined
    ? createHttp2Transport(boundary, { tls, token, clock })
    : createGrpcTransport(credentials, boundary);
}

/** A fault of this library, or of the application's telemetry, must not end the process, nor be hidden. */
export function warnOfFault(error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning("a callback of the client or of its telemetry failed", {
    type: "MeshCacheWarning",
    detail,
  });
}

/** Something that the application, or who runs it, can mend. */
export function warnOfUse(message: string): void {
  process.emitWarning(message, { type: "MeshCacheWarning" });
}
