/** Serves the handlers of one service by grpc-js with the interceptor of the server. */
import type { DescMethod } from "@bufbuild/protobuf";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { systemClock } from "../../src/common/clock.ts";
import { resolveLimits } from "../../src/rpc/limits.ts";
import type { HandlerDeps } from "../../src/server/calls/handler.ts";
import { type Handler, listMethods } from "../../src/server/calls/methods.ts";
import { createOpenCalls } from "../../src/server/calls/registry.ts";
import { addMethods } from "../../src/server/grpc-js/adapters.ts";
import { createInterceptor } from "../../src/server/grpc-js/interceptor.ts";
import { createProcessBounds, type ProcessBounds } from "../../src/server/limits/quotas.ts";
import { resolveTransportLimits } from "../../src/server/limits/transport-limits.ts";
import { createStreamRegistry, type StreamRegistry } from "../../src/server/streams/stream-registry.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "./loud-boundary.ts";

export interface SharedDeps extends HandlerDeps {
  readonly bounds: ProcessBounds;
  readonly streams: StreamRegistry;
}

export interface ServedHandlers extends SharedDeps {
  readonly address: string;
  stop(): void;
}

/** `bounds` replaces the default bounds. */
export async function serveHandlers(
  service: { readonly methods: readonly DescMethod[] },
  handlersOf: (deps: SharedDeps) => Readonly<Record<string, Handler>>,
  bounds: Partial<ProcessBounds> = {},
): Promise<ServedHandlers> {
  const transport = resolveTransportLimits();
  const limits = resolveLimits();
  const telemetry = createNoTelemetry();
  const allBounds = { ...createProcessBounds(transport), ...bounds };
  const calls = createOpenCalls(systemClock, telemetry, loudBoundary, {
    ...transport,
    receiveMaxBytes: limits.receiveMaxBytes,
  });
  const streams = createStreamRegistry(transport, allBounds, loudBoundary);
  const deps = { limits, telemetry, boundary: loudBoundary, streams, bounds: allBounds };
  const server = new Server({ interceptors: [createInterceptor(calls.register, () => undefined)] });
  addMethods(
    server,
    listMethods(service.methods, handlersOf(deps), () => ({ maxBytes: limits.receiveMaxBytes })),
    deps,
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    ...deps,
    address: `127.0.0.1:${port}`,
    stop() {
      server.forceShutdown();
      calls.close();
    },
  };
}
