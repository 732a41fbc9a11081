/**
 * Access traces as the Caffeine simulator's parser of cache2k traces reads them: big-endian 32-bit integers, one
 * an access, gzipped or not.
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { CliError, EXIT, usageError } from "../output/exit-codes.ts";

export const TRACE_FORMATS = ["web", "orm"] as const;
export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** One object of a trace: what is cached under `key`, and invalidated by `key` or by `tag`. */
export interface TraceObject {
  readonly id: number;
  readonly key: string;
  readonly tag: string;
}

export interface Trace {
  readonly name: string;
  readonly format: TraceFormat;
  readonly accesses: number;
  /** The object of access `index`, from 0; the same object for the same id. */
  at(index: number): TraceObject;
}

/** A compressed file may not unfold to more than this. */
const TRACE_MAX_BYTES = 1024 ** 3;
const ID_BYTES = 4;
/** Web traces have no types, so pages are grouped by id into as many tags as this. */
const WEB_BUCKETS = 256;
/** In the orm traces the upper five bits are the object's type. */
const ORM_TYPE_SHIFT = 27;

/**
 * Reads a whole trace; without `format` the file's name tells it. A file that is not there has an exit code of its
 * own.
 */
export async function readTrace(path: string, format?: TraceFormat): Promise<Trace> {
  const ids = await readIds(path);
  const known = format ?? inferFormat(path);
  if (known === undefined)
    throw usageError(`--format must say what the trace is: ${TRACE_FORMATS.join(" or ")}`);
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
      throw new CliError(EXIT.usage, "USAGE", `${path} is no sound gzip file`, { cause: error });
    });
  }
  if (bytes.length === 0 || bytes.length % ID_BYTES !== 0) {
    throw usageError(`${path} is no trace: its length is not a multiple of ${ID_BYTES} bytes above 0`);
  }
  return bytes;
}
