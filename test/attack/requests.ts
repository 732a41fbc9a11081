/** Requests as attackers send them: encoded once, framed for gRPC, and sent over node:http2 without a client library. */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  BatchRequestSchema,
  CacheService,
  ExchangeRequestSchema,
  GetRequestSchema,
  InvalidateRequestSchema,
  LeaseRequestSchema,
  type OperationSchema,
  SetRequestSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { methodPath } from "../../src/codec/messages.ts";
import { framed, type RawConnection } from "../support/raw-grpc.ts";

const { method } = CacheService;

export const PATHS = {
  get: methodPath(method.get),
  set: methodPath(method.set),
  invalidate: methodPath(method.invalidate),
  lease: methodPath(method.lease),
  batch: methodPath(method.batch),
  exchange: methodPath(method.exchange),
  watch: "/grpc.health.v1.Health/Watch",
};

function encode<Schema extends DescMessage>(schema: Schema, init: MessageInitShape<Schema>): Buffer {
  return framed(toBinary(schema, create(schema, init)));
}

export const get = (namespace: string, key: string) => encode(GetRequestSchema, { namespace, key });
export const lease = (namespace: string, key: string, waitMs: number, leaseMs = 0) =>
  encode(LeaseRequestSchema, { namespace, key, waitMs, leaseMs });
export const set = (init: MessageInitShape<typeof SetRequestSchema>) => encode(SetRequestSchema, init);
export const invalidate = (init: MessageInitShape<typeof InvalidateRequestSchema>) =>
  encode(InvalidateRequestSchema, init);
export const batch = (init: MessageInitShape<typeof BatchRequestSchema>) => encode(BatchRequestSchema, init);
export const exchange = (init: MessageInitShape<typeof ExchangeRequestSchema>) =>
  encode(ExchangeRequestSchema, init);

export type Operation = MessageInitShape<typeof OperationSchema>;
type InvalidateTarget = NonNullable<MessageInitShape<typeof InvalidateRequestSchema>["target"]>;

export const getOperation = (namespace: string, key: string): Operation => ({
  operation: { case: "get", value: { namespace, key } },
});
export const invalidateOperation = (namespace: string, target: InvalidateTarget): Operation => ({
  operation: { case: "invalidate", value: { namespace, target } },
});

/** Calls `each` for 0 to `count` - 1, `concurrent` at a time, as long as the connection lives. */
export async function spread(
  count: number,
  concurrent: number,
  each: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await each(index);
  };
  await Promise.all(Array.from({ length: Math.min(concurrent, count) }, work));
}

/** Sends a request whose answer is not read: the stream's window is all that the server may send. */
export function callUnread(raw: RawConnection, path: string, body: Uint8Array): void {
  const stream = raw.open(path);
  stream.pause();
  stream.end(body);
}

/** Sends a part of a request and leaves it open. */
export function callUnended(raw: RawConnection, path: string, part: Uint8Array): void {
  raw.open(path).write(part);
}
