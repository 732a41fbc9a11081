/**
 * Reads access traces in the format of cache2k, as the simulator of Caffeine does: one big-endian 32-bit integer per
 * access, gzipped or not.
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { CliError, EXIT, usageError } from "../output/exit-codes.ts";

export const TRACE_FORMATS = ["web", "orm"] as const;
export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** An object of a trace, cached under `key`, and invalidated by `key` or by `tag`. */
export interface TraceObject {
  readonly id: number;
  readonly key: string;
  readonly tag: string;
}

export interface Trace {
  readonly name: string;
  readonly format: TraceFormat;
  readonly accesses: number;
  /** The object of an access, whose `index` starts at 0. The same object for the same id. */
  at(index: number): TraceObject;
}

/** The largest size of a decompressed trace. */
const TRACE_MAX_BYTES = 1024 ** 3;
const ID_BYTES = 4;
/** Web traces have no types. Their pages are grouped by id into this many tags. */
const WEB_BUCKETS = 256;
/** In orm traces the upper five bits of an id are the type of the object. */
const ORM_TYPE_SHIFT = 27;

/**
 * Reads a whole trace; without `format` the file's name tells it. A file that is not there has an exit code of its
 * own.
 */
export async function readTrace(path: string, format?: TraceFormat): Promise<Trace> {
  const ids = await readIds(path);
  const known = format ?? inferFormat(path);
  if (known === undefined)
    throw usageError(`--format must say the kind of the trace: ${TRACE_FORMATS.join(" or ")}`);
  return createTrace(basename(path), known, ids);
}

/** "web07.trace.gz" is web. */
function inferFormat(path: string): TraceFormat | undefined {
  return TRACE_FORMATS.find((format) => basename(path).startsWith(format));
}

export function createTrace(name: string, format: TraceFormat, ids: Buffer): Trace {
  const objects = new Map<number, TraceObject>();
  return {
    name,
    format,
    accesses: ids.length / ID_BYTES,
    at(index) {
      const id = ids.readInt32BE(index * ID_BYTES);
      let object = objects.get(id);
      if (object === undefined) {
        object = toObject(id, format);
        objects.set(id, object);
      }
      return object;
    },
  };
}

function toObject(id: number, format: TraceFormat): TraceObject {
  if (format === "web") return { id, key: `page:${id}`, tag: `bucket:${(id >>> 0) % WEB_BUCKETS}` };
  const type = id >>> ORM_TYPE_SHIFT;
  return { id, key: `${type}:${id & ((1 << ORM_TYPE_SHIFT) - 1)}`, tag: `type:${type}` };
}

async function readIds(path: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "error";
    const message = `cannot read the trace ${path} (${why}); nothing was replayed`;
    throw new CliError(EXIT.noFile, "NO_FILE", message, { cause: error });
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    bytes = await promisify(gunzip)(bytes, { maxOutputLength: TRACE_MAX_BYTES }).catch((error: unknown) => {
      throw new CliError(EXIT.usage, "USAGE", `${path} is a broken gzip file`, { cause: error });
    });
  }
  if (bytes.length === 0 || bytes.length % ID_BYTES !== 0) {
    throw usageError(`${path} is not a trace: its length must be a positive multiple of ${ID_BYTES} bytes`);
  }
  return bytes;
}
