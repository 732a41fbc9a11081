/**
 * The messages that are read and written by hand. Where a hand codec finds something irregular, or does not know a
 * message, its caller uses the generated codec, so that both always agree.
 */
import type { Buffer } from "node:buffer";
import { type DescMessage, isMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  ExchangeRequestSchema,
  ExchangeResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  IncrementRequestSchema,
  IncrementResponseSchema,
  InvalidateRequestSchema,
  InvalidateResponseSchema,
  LeaseRequestSchema,
  LeaseResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
  TouchRequestSchema,
  TouchResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { GrpcFrame } from "../framing/grpc-frame.ts";
import { readBatchRequest, readBatchResponse, writeBatchRequest, writeBatchResponse } from "./batch.ts";
import {
  readExchangeRequest,
  readExchangeResponse,
  writeExchangeRequest,
  writeExchangeResponse,
} from "./exchange.ts";
import { readGetRequest, readGetResponse, writeGetRequest, writeGetResponse } from "./get.ts";
import {
  readIncrementRequest,
  readIncrementResponse,
  writeIncrementRequest,
  writeIncrementResponse,
} from "./increment.ts";
import {
  readInvalidateRequest,
  readInvalidateResponse,
  writeInvalidateRequest,
  writeInvalidateResponse,
} from "./invalidate.ts";
import { readLeaseRequest, readLeaseResponse, writeLeaseRequest, writeLeaseResponse } from "./lease.ts";
import { IRREGULAR, WireReader } from "./reader.ts";
import { readSetRequest, readSetResponse, writeSetRequest, writeSetResponse } from "./set.ts";
import { readTouchRequest, readTouchResponse, writeTouchRequest, writeTouchResponse } from "./touch.ts";
import { WireWriter } from "./writer.ts";

interface FastCodec<Shape extends Message> {
  read(reader: WireReader): Shape;
  write(writer: WireWriter, message: Shape): void;
}

const codecs = new Map<DescMessage, FastCodec<Message>>();

function register<Desc extends DescMessage>(schema: Desc, codec: FastCodec<MessageShape<Desc>>): void {
  codecs.set(schema, codec);
}

register(GetRequestSchema, { read: readGetRequest, write: writeGetRequest });
register(GetResponseSchema, { read: readGetResponse, write: writeGetResponse });
register(SetRequestSchema, { read: readSetRequest, write: writeSetRequest });
register(SetResponseSchema, { read: readSetResponse, write: writeSetResponse });
register(IncrementRequestSchema, { read: readIncrementRequest, write: writeIncrementRequest });
register(IncrementResponseSchema, { read: readIncrementResponse, write: writeIncrementResponse });
register(InvalidateRequestSchema, { read: readInvalidateRequest, write: writeInvalidateRequest });
register(InvalidateResponseSchema, { read: readInvalidateResponse, write: writeInvalidateResponse });
register(TouchRequestSchema, { read: readTouchRequest, write: writeTouchRequest });
register(TouchResponseSchema, { read: readTouchResponse, write: writeTouchResponse });
register(LeaseRequestSchema, { read: readLeaseRequest, write: writeLeaseRequest });
register(LeaseResponseSchema, { read: readLeaseResponse, write: writeLeaseResponse });
register(BatchRequestSchema, { read: readBatchRequest, write: writeBatchRequest });
register(BatchResponseSchema, { read: readBatchResponse, write: writeBatchResponse });
register(ExchangeRequestSchema, { read: readExchangeRequest, write: writeExchangeRequest });
register(ExchangeResponseSchema, { read: readExchangeResponse, write: writeExchangeResponse });

const reader = new WireReader();
const writer = new WireWriter();

/** The bytes of a message, which the caller owns. Undefined: the generated codec must encode it. */
export function encodeFast<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Buffer | undefined {
  return write(schema, message) ? writer.finish() : undefined;
}

/** As `encodeFast`, behind its gRPC prefix, to be sent. */
export function encodeFastFrame<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): GrpcFrame | undefined {
  return write(schema, message) ? writer.finishFrame() : undefined;
}

function write<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): boolean {
  const codec = codecs.get(schema);
  if (codec === undefined) return false;
  try {
    codec.write(writer, message);
    return true;
  } catch (error) {
    writer.reset();
    if (error !== IRREGULAR) throw error;
    return false;
  }
}

/** The message, whose byte fields are views of `bytes`. Undefined: the generated codec must decode it. */
export function decodeFast<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): MessageShape<Desc> | undefined {
  const codec = codecs.get(schema);
  if (codec === undefined) return undefined;
  reader.reset(bytes);
  try {
    const message = codec.read(reader);
    return isMessage(message, schema) ? message : undefined;
  } catch (error) {
    return undefinedIfIrregular(error);
  } finally {
    reader.release();
  }
}

function undefinedIfIrregular(error: unknown): undefined {
  if (error !== IRREGULAR) throw error;
  return undefined;
}
