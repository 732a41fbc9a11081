/**
 * The values of a replay. Each contains its run, its object and its version, so that every read can be checked by
 * itself. Their sizes are log-normal, drawn from a seed.
 */
import { createSeededRng } from "../../common/random.ts";
import { isOlder, type Version } from "./origin.ts";
import type { TraceObject } from "./trace.ts";

/** "wrong": not a value that a load of this run has returned for this object. */
export type Verdict = "current" | "stale" | "wrong";

export interface Payloads {
  encode(object: TraceObject, version: Version): Uint8Array;
  /** `floor`: of the origin when the read was sent. `truth`: the current version when the answer is checked. */
  judge(value: Uint8Array, object: TraceObject, floor: Version, truth: Version): Verdict;
  /** The version of `value`. Undefined when it is wrong. */
  versionOf(value: Uint8Array, object: TraceObject, truth: Version): Version | undefined;
}

const HEADER_BYTES = 20;
const VALUE_MAX_BYTES = 8 * 1024;
/** Most values are near the median, with a long tail above it, as measured in real caches. */
const SIGMA = 1;

export function createPayloads(runId: bigint, seed: number, medianBytes: number): Payloads {
  const sizes = new Map<number, number>();
  const sizeOf = (id: number): number => {
    let size = sizes.get(id);
    if (size === undefined) {
      const rng = createSeededRng(seed ^ Math.imul(id, 0x9e3779b1));
      // Box-Muller: two uniform numbers make a normal one. 1 - x keeps the logarithm from 0.
      const normal = Math.sqrt(-2 * Math.log(1 - rng.fraction())) * Math.cos(2 * Math.PI * rng.fraction());
      const bytes = Math.round(medianBytes * Math.exp(SIGMA * normal));
      size = Math.min(Math.max(bytes, HEADER_BYTES), VALUE_MAX_BYTES);
      sizes.set(id, size);
    }
    return size;
  };
  const fillOf = ({ id }: TraceObject, { ofKey, ofTag }: Version) => (id + ofKey + ofTag) & 0xff;

  const versionOf: Payloads["versionOf"] = (bytes, object, truth) => {
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (value.length !== sizeOf(object.id)) return undefined;
    if (value.readBigUInt64BE(0) !== runId || value.readInt32BE(8) !== object.id) return undefined;
    const version: Version = { ofKey: value.readUInt32BE(12), ofTag: value.readUInt32BE(16) };
    if (isOlder(truth, version)) return undefined;
    const filled = value.length === HEADER_BYTES || value.at(-1) === fillOf(object, version);
    return filled ? version : undefined;
  };

  return {
    versionOf,
    encode(object, version) {
      const value = Buffer.alloc(sizeOf(object.id), fillOf(object, version));
      value.writeBigUInt64BE(runId, 0);
      value.writeInt32BE(object.id, 8);
      value.writeUInt32BE(version.ofKey, 12);
      value.writeUInt32BE(version.ofTag, 16);
      return value;
    },
    judge(value, object, floor, truth) {
      const version = versionOf(value, object, truth);
      if (version === undefined) return "wrong";
      return isOlder(version, floor) ? "stale" : "current";
    },
  };
}
