/** Recorded beginnings of connections, which the fuzzer mutates: each kind of call on both HTTP/2 implementations. */
import { create, toBinary } from "@bufbuild/protobuf";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import {
  BatchRequestSchema,
  CacheService,
  ExchangeRequestSchema,
  GetRequestSchema,
  IncrementRequestSchema,
  InvalidateRequestSchema,
  LeaseRequestSchema,
  type Operation,
  OperationSchema,
  SetRequestSchema,
  StreamRequestSchema,
  TouchRequestSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { methodPath } from "../../src/codec/messages.ts";
import { flag, frameType, setting, settings } from "../../src/http2/frame.ts";
import { encodeHeaders } from "../../src/http2/hpack.ts";
import { FrameCutter, type RawFrame } from "./frames.ts";

const NAMESPACE = "fuzz";
const KEY = "key";

function prefixed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function operation(init: Operation["operation"]): Operation {
  return create(OperationSchema, { operation: init });
}

const at = { namespace: NAMESPACE, key: KEY };
const value = Buffer.alloc(2_000, "v");
const batch = create(BatchRequestSchema, {
  namespace: NAMESPACE,
  operations: [
    operation({ case: "set", value: create(SetRequestSchema, { ...at, value, tags: ["t"], ttlMs: 1_000n }) }),
    operation({ case: "get", value: create(GetRequestSchema, at) }),
    operation({ case: "lease", value: create(LeaseRequestSchema, { ...at, waitMs: 20, leaseMs: 50 }) }),
  ],
});
const exchange = [
  create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: { clientId: "fuzz" } } }),
  create(ExchangeRequestSchema, {
    id: 2n,
    frame: { case: "subscription", value: { selectors: [{ namespace: NAMESPACE, prefixes: ["k"] }] } },
  }),
  create(ExchangeRequestSchema, { id: 3n, frame: { case: "batch", value: batch } }),
  create(ExchangeRequestSchema, { id: 4n, frame: { case: "ping", value: { nonce: 9n } } }),
];

const { method } = CacheService;
const all = { case: "all", value: true } as const;
const calls: readonly (readonly [path: string, messages: readonly Uint8Array[]])[] = [
  [methodPath(method.get), [toBinary(GetRequestSchema, create(GetRequestSchema, at))]],
  [methodPath(method.set), [toBinary(SetRequestSchema, create(SetRequestSchema, { ...at, value }))]],
  [
    methodPath(method.increment),
    [toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { ...at, delta: -9n, requestId: 9n }))],
  ],
  [
    methodPath(method.touch),
    [toBinary(TouchRequestSchema, create(TouchRequestSchema, { ...at, ttlMs: 9n }))],
  ],
  [
    methodPath(method.invalidate),
    [
      toBinary(
        InvalidateRequestSchema,
        create(InvalidateRequestSchema, { namespace: NAMESPACE, target: all }),
      ),
    ],
  ],
  [
    methodPath(method.lease),
    [toBinary(LeaseRequestSchema, create(LeaseRequestSchema, { ...at, waitMs: 30, leaseMs: 50 }))],
  ],
  [methodPath(method.batch), [toBinary(BatchRequestSchema, batch)]],
  [
    methodPath(method.stream),
    [toBinary(StreamRequestSchema, create(StreamRequestSchema, { namespace: NAMESPACE }))],
  ],
  [methodPath(method.exchange), exchange.map((frame) => toBinary(ExchangeRequestSchema, frame))],
  [methodPath(AdminService.method.stats), [new Uint8Array(0)]],
  ["/grpc.health.v1.Health/Check", [new Uint8Array(0)]],
  ["/grpc.health.v1.Health/Watch", [Buffer.from([0x0a, 3, 0x61, 0x62, 0x63])]],
  ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", [Buffer.from([0x3a, 0])]],
  ["/nobody.Knows/This", [new Uint8Array(0)]],
];

const prefaces: readonly Buffer[] = [
  settings([]),
  settings([
    [setting.headerTableSize, 0],
    [setting.enablePush, 0],
    [setting.singleStream, 1],
  ]),
];

function recording(preface: Buffer, path: string, messages: readonly Uint8Array[]): readonly RawFrame[] {
  const block = encodeHeaders({
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "fuzz",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const data = messages.map((message, index): RawFrame => {
    const flags = index === messages.length - 1 ? flag.endStream : 0;
    return { type: frameType.data, flags, streamId: 1, body: prefixed(message) };
  });
  return [
    ...new FrameCutter().push(preface),
    { type: frameType.headers, flags: flag.endHeaders, streamId: 1, body: block },
    ...data,
    { type: frameType.ping, flags: 0, streamId: 0, body: Buffer.alloc(8) },
  ];
}

/** The frames after the preface. */
export const recordings: readonly (readonly RawFrame[])[] = prefaces.flatMap((preface) =>
  calls.map(([path, messages]) => recording(preface, path, messages)),
);
