/** Creates the grpc-js server with the limits of this one. */
import { Server } from "@grpc/grpc-js";
import { methodPath } from "../../codec/messages.ts";
import type { Limits } from "../../rpc/limits.ts";
import type { ServedMethod } from "../calls/methods.ts";
import type { CallRegister } from "../calls/registry.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { createInterceptor } from "./interceptor.ts";

/** Every call is listed in `register`. */
export function createGrpcServer(
  register: CallRegister,
  limits: Pick<Limits, "receiveMaxBytes" | "sendMaxBytes">,
  transport: TransportLimits,
  methods: readonly ServedMethod[],
): Server {
  const bounds = new Map(methods.map(({ descriptor, request }) => [methodPath(descriptor), request]));
  return new Server({
    interceptors: [createInterceptor(register, (path) => bounds.get(path))],
    "grpc.max_receive_message_length": limits.receiveMaxBytes,
    "grpc.max_send_message_length": limits.sendMaxBytes,
    "grpc.max_concurrent_streams": transport.connectionMaxStreams,
    "grpc.max_connection_idle_ms": transport.connectionIdleMs,
    "grpc.max_connection_age_ms": transport.connectionAgeMs,
    "grpc.max_connection_age_grace_ms": transport.connectionGraceMs,
    "grpc.keepalive_time_ms": transport.keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": transport.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
  });
}
