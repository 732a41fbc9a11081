/** The answer to a unary call, whatever carries it, and its form in the cache: see proto/meshcache/responses/v1/answer.proto. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnswerSchema, MetadatumSchema } from "../../gen/meshcache/responses/v1/answer_pb.ts";
import type { Codec } from "../client/api/codecs.ts";
import { NO_BYTES } from "../common/bytes.ts";

export interface Metadatum {
  /** In lower case. */
  readonly name: string;
  /** Bytes where the name ends in "-bin", else ASCII. */
  readonly value: string | Uint8Array;
}

export interface Answer {
  /** The status of gRPC. 0: OK. */
  readonly code: number;
  readonly details: string;
  /** The encoded response of an answer that is OK. */
  readonly message: Uint8Array | undefined;
  readonly metadata: readonly Metadatum[];
  readonly trailers: readonly Metadatum[];
}

const OK = 0;
/** The text that grpc-js sends with it. Others send none. */
const OK_TEXT = "OK";
const NO_METADATA: readonly Metadatum[] = Object.freeze([]);

/** The trailer that has the details of an error, a google.rpc.Status. */
export const STATUS_DETAILS = "grpc-status-details-bin";

/** What the first byte says. */
const FORM = { message: 0, answer: 1, messageWithoutText: 2 } as const;

/** Stored bytes as they are. They are copied, since what is decoded from them may be views. */
export const storedCodec: Codec<Buffer> = {
  name: "response",
  contentType: "application/vnd.meshcache.response",
  encode: (stored) => stored,
  decode: (stored) => Buffer.from(stored),
};

export function toStored(answer: Answer, keep: ReadonlySet<string>): Buffer {
  const metadata = answer.metadata.filter(({ name }) => keep.has(name));
  const trailers = answer.trailers.filter(({ name }) => keep.has(name) || name === STATUS_DETAILS);
  const { code, details, message } = answer;
  const isPlain = code === OK && metadata.length + trailers.length === 0;
  if (isPlain && (details === OK_TEXT || details === "")) {
    const bytes = message ?? NO_BYTES;
    const stored = Buffer.allocUnsafe(1 + bytes.length);
    stored[0] = details === "" ? FORM.messageWithoutText : FORM.message;
    stored.set(bytes, 1);
    return stored;
  }
  const encoded = toBinary(
    AnswerSchema,
    create(AnswerSchema, {
      code,
      details,
      metadata: metadata.map(toMessage),
      trailers: trailers.map(toMessage),
      ...(code === OK && { message: message ?? NO_BYTES }),
    }),
  );
  return Buffer.concat([Uint8Array.of(FORM.answer), encoded]);
}

/** Undefined for bytes that are no stored answer. */
export function fromStored(stored: Buffer): Answer | undefined {
  if (stored[0] === FORM.message || stored[0] === FORM.messageWithoutText) {
    const details = stored[0] === FORM.message ? OK_TEXT : "";
    return { code: OK, details, message: stored.subarray(1), metadata: NO_METADATA, trailers: NO_METADATA };
  }
  if (stored[0] !== FORM.answer) return undefined;
  try {
    const { code, details, message, metadata, trailers } = fromBinary(AnswerSchema, stored.subarray(1));
    return {
      code,
      details,
      message: message === undefined ? undefined : asBuffer(message),
      metadata: metadata.map(fromMessage),
      trailers: trailers.map(fromMessage),
    };
  } catch {
    return undefined;
  }
}

/** grpc-js takes Buffers alone. */
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function toMessage({ name, value }: Metadatum) {
  return create(MetadatumSchema, {
    name,
    value: typeof value === "string" ? Buffer.from(value, "latin1") : value,
  });
}

function fromMessage({ name, value }: { readonly name: string; readonly value: Uint8Array }): Metadatum {
  return { name, value: name.endsWith("-bin") ? asBuffer(value) : asBuffer(value).toString("latin1") };
}
