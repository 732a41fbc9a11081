/**
 * Compresses values, and decompresses what others have compressed: the content codings of HTTP that node:zlib has. It runs
 * where it is called. What comes out is bounded, and so is the memory that it takes.
 */
import zlib from "node:zlib";

// Not by name: on a Node that has no zstd the module could not be linked, and nobody would say which Node is needed.
const { brotliDecompressSync, constants, gunzipSync, inflateSync, zstdCompressSync, zstdDecompressSync } =
  zlib;

/** What `pack` makes. */
export const PACKED_ENCODING = "zstd";

/** "unknown": no such encoding here. "tooLarge": there are more bytes in it. "damaged": it is not, or not only, what it says. */
export type UnpackFault = "unknown" | "tooLarge" | "damaged";

export class UnpackError extends Error {
  override readonly name = "UnpackError";
  readonly fault: UnpackFault;

  constructor(fault: UnpackFault, options?: ErrorOptions) {
    super(fault, options);
    this.fault = fault;
  }
}

/** Of a frame that needs a larger one, whoever made it: 8 MiB, as RFC 9659 has it. */
const ZSTD_WINDOW_LOG_MAX = 23;
/** The fastest. Of JSON of 10 KB, level 3 makes no fewer bytes. */
const ZSTD_LEVEL = 1;

interface Bounds {
  readonly maxOutputLength: number;
  /** The result is an `Unpacked`, which the types of Node do not say. */
  readonly info: true;
}

interface Unpacked {
  readonly buffer: Buffer;
  /** `bytesWritten`: of the input, those that were used. */
  readonly engine: { readonly bytesWritten: number };
}

type Unpack = (bytes: Uint8Array, bounds: Bounds) => unknown;

const UNPACKERS: ReadonlyMap<string, Unpack> = new Map<string, Unpack>([
  ["br", brotliDecompressSync],
  ["deflate", inflateSync],
  ["gzip", gunzipSync],
  [
    "zstd",
    (bytes, bounds) => {
      const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
      return zstdDecompressSync(bytes, { ...bounds, params });
    },
  ],
]);

/** The encodings that `unpack` knows. */
export const KNOWN_ENCODINGS: readonly string[] = [...UNPACKERS.keys()];

/** What is compressed in `bytes`: at most `maxBytes`. Throws an UnpackError. */
export function unpack(bytes: Uint8Array, encoding: string, maxBytes: number): Uint8Array {
  const run = UNPACKERS.get(encoding);
  if (run === undefined) throw new UnpackError("unknown");
  let unpacked: Unpacked;
  try {
    unpacked = run(bytes, { maxOutputLength: maxBytes, info: true }) as Unpacked;
  } catch (cause) {
    const isTooLarge = cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE";
    throw new UnpackError(isTooLarge ? "tooLarge" : "damaged", { cause });
  }
  // A second frame would be left out without a word.
  if (unpacked.engine.bytesWritten !== bytes.length) throw new UnpackError("damaged");
  return unpacked.buffer;
}

/** The bytes in `PACKED_ENCODING`. Undefined: that is not shorter. */
export function pack(bytes: Uint8Array): Uint8Array | undefined {
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL };
  // Then the frame says how long the value is, and needs no larger window. The types of Node do not know it.
  const options = { params, pledgedSrcSize: bytes.length };
  const packed = zstdCompressSync(bytes, options);
  return packed.length < bytes.length ? packed : undefined;
}
