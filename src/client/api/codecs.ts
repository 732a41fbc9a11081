/** Codecs: how a namespace's values become bytes and come back, and the error when they do not. */
import { isUint8Array } from "node:util/types";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { CacheError } from "../../common/errors.ts";
import { copyOf, keepOrCopy } from "./byte-slab.ts";
import { checkFlag, checkOptions } from "./checks.ts";
import { deepFreeze, isDeepFrozen } from "./deep-freeze.ts";
import { lostInJson } from "./json-form.ts";
import { optionNames } from "./option-names.ts";
import { refusePromise } from "./promises.ts";

/**
 * Turns values into bytes and back. It is synchronous and keeps no state, since near copies are decoded when they are
 * read. What it throws becomes a CacheError with the reason CODEC, and so does a promise that it returns.
 */
export interface Codec<Value> {
  /** Names the codec in errors: `CacheError.detail.codec`. */
  readonly name: string;
  /** Stored beside the value: 0 to 255 printable ASCII characters, of which a server takes 128 unless configured. */
  readonly contentType: string;
  /**
   * Values that are encoded in at least this many bytes are stored compressed where that is shorter, with the content encoding
   * "zstd": 1 to 67,108,864. `compressed(codec)` sets it. Default: none is. Reading does not depend on it.
   */
  readonly compressFromBytes?: number;
  /** The cache owns the returned bytes: do not write to them later, and do not transfer their buffer. */
  encode(value: Value): Uint8Array;
  /** `bytes` is borrowed for the length of the call: copy what the value is to keep of it. */
  decode(bytes: Uint8Array): Value;
  /**
   * As `decode`, of bytes that belong to this value alone: it may keep them, and keeps all of `bytes.buffer` alive with
   * them. Default: `decode`.
   */
  decodeOwn?(bytes: Uint8Array): Value;
}

/** The type of the values of a codec. */
export type ValueOf<Kind> = Kind extends Codec<infer Value> ? Value : never;

/** The codecs of this file: what they return needs no check, which for a small array takes longer than encoding. */
const ownCodecs = new WeakSet<object>();

function own<Value>(codec: Codec<Value>): Codec<Value> {
  ownCodecs.add(codec);
  return codec;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export interface JsonOptions {
  /**
   * Refuse every value that would not come back as it is, with CODEC and the path of its part ("$.list[3].at is an instance of
   * Date"): instances of classes (Date, Map, Set, bytes, your own), NaN and the infinities, `undefined` and functions as
   * fields or items, symbols, and objects with a `toJSON`. Only -0 becomes 0. It is the same wherever the process runs.
   * Default false: what JSON.stringify makes of a value is stored, and every reader gets that, the first one too. Looking
   * at each part makes encoding three to five times as long, so it is for development, tests, and where it matters.
   */
  readonly strict?: boolean;
}

const JSON_OPTIONS = optionNames<JsonOptions>({ strict: true });

/** What a codec of this file refuses, in words without any value. */
class Unencodable extends TypeError {}

/**
 * JSON. A value that JSON has no form for (a function, `undefined`, a bigint, a cycle) is refused. Others come back as JSON
 * has them: a Date as text, a Map as {}, NaN as null, an instance as a plain object, and without what was undefined. With
 * `strict` these are refused too. It is one codec, whoever asks. Throws FIELD_INVALID for an option that is none.
 */
export function json<Value>(options?: JsonOptions): Codec<Value> {
  const given: JsonOptions = checkOptions(options, JSON_OPTIONS);
  return (checkFlag("strict", given.strict, false) ? STRICT_JSON : PLAIN_JSON) as Codec<Value>;
}

function createJson(strict: boolean): Codec<unknown> {
  return own({
    name: "json",
    contentType: "application/json",
    encode(value) {
      const encoded = JSON.stringify(value);
      if (encoded === undefined) throw new Unencodable("JSON has no form for this value");
      const lost = strict ? lostInJson(value) : undefined;
      if (lost !== undefined) throw new Unencodable(lost);
      return Buffer.from(encoded, "utf8");
    },
    decode: (bytes): unknown => JSON.parse(asBuffer(bytes).toString("utf8")),
  });
}

const PLAIN_JSON = createJson(false);
const STRICT_JSON = createJson(true);

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Strings, as UTF-8. Lone surrogates are refused: UTF-8 has no form for them. */
export function text(): Codec<string> {
  return TEXT;
}

const TEXT: Codec<string> = own({
  name: "text",
  contentType: "text/plain; charset=utf-8",
  encode(value) {
    if (typeof value !== "string") throw new Unencodable("it is no string");
    if (!value.isWellFormed()) throw new Unencodable("it has a lone surrogate");
    return Buffer.from(value, "utf8");
  },
  decode: (bytes) => strictUtf8.decode(bytes),
});

/**
 * Bytes as they are; a Set copies them. Every read gives bytes of its own, but their `buffer` may hold other bytes too, as
 * with Node's Buffers: a large value that is kept keeps up to 32 times its size alive. Copy it to keep it alone.
 */
export function bytes(): Codec<Uint8Array> {
  return BYTES;
}

const BYTES: Codec<Uint8Array> = own({
  name: "bytes",
  contentType: "application/octet-stream",
  encode(value) {
    if (!isUint8Array(value)) throw new Unencodable("it is no Uint8Array");
    // Not `slice`: that of a Buffer returns a view.
    return new Uint8Array(value);
  },
  decode: copyOf,
  decodeOwn: keepOrCopy,
});

/** Messages of a schema generated by protoc-gen-es. One codec for each schema. */
export function protobuf<Desc extends DescMessage>(schema: Desc): Codec<MessageShape<Desc>> {
  const known = protobufCodecs.get(schema) ?? createProtobuf(schema);
  protobufCodecs.set(schema, known);
  return known as Codec<MessageShape<Desc>>;
}

const protobufCodecs = new WeakMap<DescMessage, Codec<unknown>>();

function createProtobuf<Desc extends DescMessage>(schema: Desc): Codec<MessageShape<Desc>> {
  return own({
    name: "protobuf",
    contentType: `application/protobuf; type=${schema.typeName}`.slice(0, 128),
    encode: (value) => toBinary(schema, value),
    // A copy: fields of the type `bytes` are decoded as views of the input.
    decode: (encoded) => fromBinary(schema, new Uint8Array(encoded)),
  });
}

/**
 * The bytes as a plain Uint8Array of fixed size. Others are copied: a subclass may report another length than it has, and
 * a resizable or shared buffer may have another size by the time it is sent.
 */
function toPlain(encoded: Uint8Array): Uint8Array {
  if (!isUint8Array(encoded)) throw new TypeError("encode() returned no Uint8Array");
  const prototype: unknown = Object.getPrototypeOf(encoded);
  const isPlain =
    (prototype === Uint8Array.prototype || prototype === Buffer.prototype) &&
    !Object.hasOwn(encoded, "length");
  return isPlain && isFixed(encoded.buffer) ? encoded : new Uint8Array(encoded);
}

const isFixed = (buffer: ArrayBufferLike): boolean => buffer instanceof ArrayBuffer && !buffer.resizable;

/** Encodes a value. Throws CODEC, which names the namespace and the codec, and never the value. */
export function encodeValue<Value>(codec: Codec<Value>, namespace: string, value: Value): Uint8Array {
  try {
    const encoded = codec.encode(value);
    if (ownCodecs.has(codec)) return encoded;
    refusePromise(encoded, ASYNCHRONOUS);
    return toPlain(encoded);
  } catch (cause) {
    throw codecError("encode", codec.name, namespace, cause);
  }
}

/** Decodes borrowed bytes. Throws CODEC, which names the namespace and the codec, and never the value. */
export function decodeValue<Value>(codec: Codec<Value>, namespace: string, encoded: Uint8Array): Value {
  try {
    return checkDecoded(codec, codec.decode(encoded));
  } catch (cause) {
    throw codecError("decode", codec.name, namespace, cause);
  }
}

/** As `decodeValue`, of bytes that the value may keep. */
export function decodeOwnValue<Value>(codec: Codec<Value>, namespace: string, encoded: Uint8Array): Value {
  try {
    const value = codec.decodeOwn === undefined ? codec.decode(encoded) : codec.decodeOwn(encoded);
    return checkDecoded(codec, value);
  } catch (cause) {
    throw codecError("decode", codec.name, namespace, cause);
  }
}

/** As `deepFreeze`, of a decoded value. Throws CODEC when a part of it cannot be read. */
export function freezeDecoded<Value>(codec: Codec<Value>, namespace: string, value: Value): boolean {
  try {
    return deepFreeze(value);
  } catch (cause) {
    throw codecError("decode", codec.name, namespace, cause);
  }
}

/** As `isDeepFrozen`, of a value that is to be encoded if it is not. Throws CODEC when a part of it cannot be read. */
export function isFrozenValue<Value>(codec: Codec<Value>, namespace: string, value: Value): boolean {
  try {
    return isDeepFrozen(value);
  } catch (cause) {
    throw codecError("encode", codec.name, namespace, cause);
  }
}

const ASYNCHRONOUS = "a codec is synchronous";

function checkDecoded<Value>(codec: Codec<Value>, value: Value): Value {
  if (!ownCodecs.has(codec)) refusePromise(value, ASYNCHRONOUS);
  return value;
}

function codecError(verb: string, codec: string, namespace: string, cause: unknown): CacheError {
  const why = cause instanceof Unencodable ? `: ${cause.message}` : "";
  return new CacheError(
    "CODEC",
    `the ${codec} codec of namespace ${namespace} cannot ${verb} a value${why}`,
    { namespace, codec },
    { cause },
  );
}
