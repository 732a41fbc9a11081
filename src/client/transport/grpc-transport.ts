/** The transport over grpc-js, for whoever needs its credentials. One channel, so one connection, for each stream. */
import type { ChannelCredentials, ServiceError } from "@grpc/grpc-js";
import { CacheService, ExchangeRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { encodeFrame } from "../../codec/messages.ts";
import type { Boundary } from "../../common/boundary.ts";
import { createServiceClient } from "../../rpc/client.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import { fromServiceError } from "../../rpc/status.ts";
import { checkMessage, FLOW_CONTROL_WINDOW_BYTES, type Transport } from "./transport.ts";

export function createGrpcTransport(credentials: ChannelCredentials, boundary: Boundary): Transport {
  return {
    open(address, handlers) {
      const client = createServiceClient(address, credentials, {
        "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
        // It cannot be changed later: what a server sends is known only when it has greeted.
        "grpc.max_receive_message_length": LIMIT_BOUNDS.sendMaxBytes.max,
        "grpc.keepalive_time_ms": 60_000,
        "grpc.keepalive_timeout_ms": 20_000,
        "grpc.enable_channelz": 0,
        // A connection of its own: a stream that leaves a draining server must not get that server's connection again.
        // Nor does grpc-js retry: the client's backoff is the only one.
        "grpc.use_local_subchannel_pool": 1,
        "grpc.enable_retries": 0,
      });
      const call = boundary.contain(client.bidi(CacheService.method.exchange));
      let over = false;
      const end = (): boolean => {
        if (over) return false;
        over = true;
        client.close();
        return true;
      };
      call.on("data", (frame) => {
        if (!over) handlers.frame(frame);
      });
      call.on("drain", () => {
        if (!over) handlers.drained();
      });
      call.on("error", (error) => {
        if (end()) handlers.closed(isServiceError(error) ? fromServiceError(error) : undefined);
      });
      call.on("end", () => {
        if (end()) handlers.closed(undefined);
      });
      return {
        // Encoded here: grpc-js would end the stream for a message that it cannot encode.
        send(frame) {
          if (over) return true;
          const message = encodeFrame(ExchangeRequestSchema, frame);
          return call.write(checkMessage(message, handlers.messageLimits()));
        },
        close() {
          if (end()) call.cancel();
        },
      };
    },
  };
}

function isServiceError(error: Error): error is ServiceError {
  return "code" in error && "details" in error;
}
