/** A codec whose values are stored compressed. */
import { fieldInvalid } from "../../common/errors.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import { checkOptions } from "./checks.ts";
import type { Codec } from "./codecs.ts";
import { optionNames } from "./option-names.ts";

export interface CompressedOptions {
  /** The shortest encoded value that is compressed, in bytes: 1 to 67,108,864. Default 1,024. */
  readonly minBytes?: number;
}

const COMPRESSED_OPTIONS = optionNames<CompressedOptions>({ minBytes: true });
const MIN_BYTES_DEFAULT = 1_024;

/** Its codecs by what they wrap and their `minBytes`, so that a namespace can be opened again with the same one. */
const compressedCodecs = new WeakMap<object, Map<number, Codec<unknown>>>();

/**
 * `codec`, with `compressFromBytes`: its values are stored in zstd where that is shorter, and marked so. One codec for each
 * codec and `minBytes`. Every namespace reads compressed values, also one whose codec is plain. Throws FIELD_INVALID.
 */
export function compressed<Value>(codec: Codec<Value>, options?: CompressedOptions): Codec<Value> {
  if (typeof codec !== "object" || codec === null) throw fieldInvalid("codec", "a codec, such as json()");
  const given: CompressedOptions = checkOptions(options, COMPRESSED_OPTIONS);
  const minBytes = checkCompressFrom("minBytes", given.minBytes ?? MIN_BYTES_DEFAULT);
  const known = compressedCodecs.get(codec) ?? new Map<number, Codec<unknown>>();
  compressedCodecs.set(codec, known);
  const made = known.get(minBytes) ?? (wrap(codec, minBytes) as Codec<unknown>);
  known.set(minBytes, made);
  return made as Codec<Value>;
}

/** Returns the bound. Throws FIELD_INVALID. */
export function checkCompressFrom(field: string, bytes: unknown): number {
  const { max } = LIMIT_BOUNDS.valueMaxBytes;
  if (typeof bytes === "number" && Number.isInteger(bytes) && bytes >= 1 && bytes <= max) return bytes;
  throw fieldInvalid(field, `a whole number from 1 to ${max}`);
}

function wrap<Value>(codec: Codec<Value>, minBytes: number): Codec<Value> {
  const { name, contentType } = codec;
  return {
    name,
    contentType,
    compressFromBytes: minBytes,
    encode: (value) => codec.encode(value),
    decode: (bytes) => codec.decode(bytes),
    decodeOwn: (bytes) => (codec.decodeOwn === undefined ? codec.decode(bytes) : codec.decodeOwn(bytes)),
  };
}
