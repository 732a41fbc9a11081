/** The contract over a client generated from the proto. */
import { create } from "@bufbuild/protobuf";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import {
  CacheService,
  ExchangeRequestSchema,
  type ExchangeResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";
import { fromServiceError } from "../../src/rpc/status.ts";
import type { CacheCalls } from "./cache-calls.ts";

export function createGrpcCalls(client: ServiceClient): CacheCalls {
  const { method } = CacheService;
  return {
    get: (request) => client.unary(method.get, request),
    set: (request) => client.unary(method.set, request),
    invalidate: (request) => client.unary(method.invalidate, request),
    touch: (request) => client.unary(method.touch, request),
    increment: (request) => client.unary(method.increment, request),
    listKeys: (request) => client.unary(method.listKeys, request),
    lease: (request) => client.unary(method.lease, request),
    batch: (request) => client.unary(method.batch, request),
    stats: () => client.unary(AdminService.method.stats, {}),
    stream: (request) => client.serverStream(method.stream, request),
    exchange: (requests) =>
      new Promise((resolve, reject) => {
        const call = client.bidi(method.exchange);
        const responses: ExchangeResponse[] = [];
        call.on("data", (response) => responses.push(response));
        call.on("error", (error) => reject(fromServiceError(Object.assign(error))));
        call.on("end", () => resolve(responses));
        for (const request of requests) call.write(create(ExchangeRequestSchema, request));
        call.end();
      }),
  };
}
