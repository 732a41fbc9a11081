/** The contract as its suite calls it, whoever the client is. Calls reject with a CacheError. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StatsResponse } from "../../gen/meshcache/v1/admin_pb.ts";
import type {
  BatchRequestSchema,
  BatchResponse,
  ExchangeRequestSchema,
  ExchangeResponse,
  GetRequestSchema,
  GetResponse,
  IncrementRequestSchema,
  IncrementResponse,
  InvalidateRequestSchema,
  InvalidateResponse,
  LeaseRequestSchema,
  LeaseResponse,
  ListKeysRequestSchema,
  ListKeysResponse,
  SetRequestSchema,
  SetResponse,
  StreamRequestSchema,
  StreamResponse,
  TouchRequestSchema,
  TouchResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";

export interface CacheCalls {
  get(request: MessageInitShape<typeof GetRequestSchema>): Promise<GetResponse>;
  set(request: MessageInitShape<typeof SetRequestSchema>): Promise<SetResponse>;
  invalidate(request: MessageInitShape<typeof InvalidateRequestSchema>): Promise<InvalidateResponse>;
  touch(request: MessageInitShape<typeof TouchRequestSchema>): Promise<TouchResponse>;
  increment(request: MessageInitShape<typeof IncrementRequestSchema>): Promise<IncrementResponse>;
  listKeys(request: MessageInitShape<typeof ListKeysRequestSchema>): Promise<ListKeysResponse>;
  lease(request: MessageInitShape<typeof LeaseRequestSchema>): Promise<LeaseResponse>;
  batch(request: MessageInitShape<typeof BatchRequestSchema>): Promise<BatchResponse>;
  stats(): Promise<StatsResponse>;
  /** Leaving the loop ends the call. */
  stream(request: MessageInitShape<typeof StreamRequestSchema>): AsyncIterable<StreamResponse>;
  /** Sends all the frames and ends; resolves with what came back. */
  exchange(
    requests: readonly MessageInitShape<typeof ExchangeRequestSchema>[],
  ): Promise<readonly ExchangeResponse[]>;
}
