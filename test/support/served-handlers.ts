/** The handlers of one service behind grpc-js and the server's interceptor, and what they share with others. */
import { Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { systemClock } from "../../src/clock.ts";
import type { HandlerDeps } from "../../src/server/handlers.ts";
import { createOpenCalls } from "../../src/server/open-calls.ts";
import { createProcessBounds, type ProcessBounds } from "../../src/server/process-bounds.ts";
import { createStreamRegister, type StreamRegister } from "../../src/server/stream-register.ts";
import { resolveTransportLimits } from "../../src/server/transport-limits.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { resolveLimits } from "../../src/wire/limits.ts";
import { createServiceDefinition } from "../../src/wire/service.ts";
import { loudBoundary } from "./loud-boundary.ts";

export interface SharedDeps extends HandlerDeps {
  readonly bounds: ProcessBounds;
  readonly streams: StreamRegister;
}

export interface ServedHandlers extends SharedDeps {
  readonly address: string;
  stop(): void;
}

/** `bounds`: in place of the default ones. */
export async function serveHandlers(
  service: Parameters<typeof createServiceDefinition>[0],
  handlersOf: (deps: SharedDeps) => UntypedServiceImplementation,
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
  const streams = createStreamRegister(transport, allBounds, loudBoundary);
  const deps = { calls, limits, telemetry, boundary: loudBoundary, streams, bounds: allBounds };
  const server = new Server({ interceptors: [calls.interceptor] });
  server.addService(createServiceDefinition(service), handlersOf(deps));
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
