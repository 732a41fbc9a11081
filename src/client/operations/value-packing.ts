/**
 * Compresses the values of a namespace on their way to the server, where its codec says so, and decompresses what comes
 * back, whoever compressed it: what the rest of the client has of a value is what codecs make and take.
 */
import {
  KNOWN_ENCODINGS,
  PACKED_ENCODING,
  pack,
  UnpackError,
  type UnpackFault,
  unpack,
} from "../../common/content-encoding.ts";
import { CacheError } from "../../common/errors.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import type { Reading } from "../near-cache/cached-entry.ts";

/** What was compressed and decompressed, counted over all namespaces from when the client was made. */
export interface CompressionCounters {
  /** Values that were sent compressed. */
  compressed: number;
  /** How many bytes shorter they were then. */
  savedBytes: number;
  /** Values that came compressed. */
  decompressed: number;
}

export function createCompressionCounters(): CompressionCounters {
  return { compressed: 0, savedBytes: 0, decompressed: 0 };
}

/** A value as it is sent. */
export interface PackedValue {
  readonly value: Uint8Array;
  /** "": it is not compressed. */
  readonly contentEncoding: string;
}

interface PackedNamespace {
  readonly namespace: string;
  readonly codec: string;
  /** Infinity: nothing is compressed. */
  readonly compressFromBytes: number;
}

export class ValuePacking {
  readonly #namespace: string;
  readonly #codec: string;
  readonly #compressFromBytes: number;
  readonly #counters: CompressionCounters;

  constructor({ namespace, codec, compressFromBytes }: PackedNamespace, counters: CompressionCounters) {
    this.#namespace = namespace;
    this.#codec = codec;
    this.#compressFromBytes = compressFromBytes;
    this.#counters = counters;
  }

  /** A server that is older, or not known yet, would not keep the encoding. */
  pack(encoded: Uint8Array, { contentEncodings }: ServerLimits): PackedValue {
    const isPlain = encoded.length < this.#compressFromBytes || !contentEncodings;
    const packed = isPlain ? undefined : pack(encoded);
    if (packed === undefined) return { value: encoded, contentEncoding: "" };
    this.#counters.compressed += 1;
    this.#counters.savedBytes += encoded.length - packed.length;
    return { value: packed, contentEncoding: PACKED_ENCODING };
  }

  /** The reading with its value as a codec takes it, which has at most as many bytes as the server takes. Throws CODEC. */
  unpack(reading: Reading, { valueMaxBytes }: ServerLimits): Reading {
    const { encoded, contentEncoding } = reading;
    if (contentEncoding === "" || encoded === undefined) return reading;
    try {
      const unpacked = unpack(encoded, contentEncoding, valueMaxBytes);
      this.#counters.decompressed += 1;
      return { ...reading, encoded: unpacked, contentEncoding: "" };
    } catch (cause) {
      if (!(cause instanceof UnpackError)) throw cause;
      throw this.#error(contentEncoding, cause, WHY[cause.fault](valueMaxBytes));
    }
  }

  #error(encoding: string, cause: UnpackError, why: string): CacheError {
    const [namespace, codec] = [this.#namespace, this.#codec];
    return new CacheError(
      "CODEC",
      `a value of namespace ${namespace} has the content encoding ${encoding}: ${why}`,
      { namespace, codec, encoding },
      { cause },
    );
  }
}

const WHY: Readonly<Record<UnpackFault, (valueMaxBytes: number) => string>> = {
  unknown: () => `this client knows ${KNOWN_ENCODINGS.join(", ")}`,
  tooLarge: (valueMaxBytes) => `decompressed it has more than the ${valueMaxBytes} bytes of a value`,
  damaged: () => "it cannot be decompressed",
};
