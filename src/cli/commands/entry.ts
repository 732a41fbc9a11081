/** How commands show an entry and its stamp. */
import type { Hit, Stamp } from "../../../gen/meshcache/v1/cache_pb.ts";
import { UnpackError, unpack } from "../../common/content-encoding.ts";
import { toDuration } from "../../common/duration.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";
import { toJsonBytes } from "../output/json.ts";
import { oneLine } from "../output/text.ts";

export function toJsonStamp(stamp: Stamp | undefined): object | undefined {
  return stamp && { epoch: stamp.epoch, shard: stamp.shard, revision: Number(stamp.revision) };
}

const WHY: Readonly<Record<UnpackError["fault"], string>> = {
  unknown: "which this command does not know",
  tooLarge: `and has more than ${LIMIT_BOUNDS.valueMaxBytes.max} bytes`,
  damaged: "and cannot be decompressed",
};

/** Its value as it was before it was compressed. Throws a CliError. */
export function plainValueOf({ value, contentEncoding }: Hit): Uint8Array {
  if (contentEncoding === "") return value;
  try {
    return unpack(value, contentEncoding, LIMIT_BOUNDS.valueMaxBytes.max);
  } catch (error) {
    if (!(error instanceof UnpackError)) throw error;
    const message = `the value is stored as ${contentEncoding}, ${WHY[error.fault]}; --raw writes it as it is stored`;
    throw new CliError(EXIT.usage, "CODEC", message, { detail: { encoding: contentEncoding }, cause: error });
  }
}

export function toJsonHit(hit: Hit): object {
  return {
    ...(hit.absent ? {} : toJsonBytes(hit.value)),
    version: Number(hit.version),
    ...(hit.sourceVersion === 0n ? {} : { sourceVersion: hit.sourceVersion }),
    ageMs: Number(hit.ageMs),
    stale: hit.stale,
    ttlRemainingMs: Number(hit.ttlRemainingMs),
    staleRemainingMs: Number(hit.staleRemainingMs),
    tags: hit.tags,
    ...(hit.contentType === "" ? {} : { contentType: hit.contentType }),
    ...(hit.contentEncoding === "" ? {} : { contentEncoding: hit.contentEncoding }),
  };
}

function toLifetime(hit: Hit): string {
  const ttl = toDuration(Number(hit.ttlRemainingMs));
  const stale = toDuration(Number(hit.staleRemainingMs));
  if (hit.stale) return hit.staleRemainingMs === 0n ? "stale" : `stale, for another ${stale}`;
  if (hit.ttlRemainingMs === 0n) return "never expires";
  return hit.staleRemainingMs === 0n ? `fresh for ${ttl}` : `fresh for ${ttl}, then stale for ${stale}`;
}

/** "version 4 · set 1 s ago · fresh for 59 s · tags a, b · shard 3" */
export function describeHit(hit: Hit, stamp: Stamp | undefined): string {
  return [
    `version ${hit.version}`,
    ...(hit.sourceVersion === 0n ? [] : [`source version ${hit.sourceVersion}`]),
    `set ${toDuration(Number(hit.ageMs))} ago`,
    toLifetime(hit),
    ...(hit.tags.length === 0 ? [] : [`tags ${hit.tags.map(oneLine).join(", ")}`]),
    ...(hit.contentType === "" ? [] : [oneLine(hit.contentType)]),
    ...(hit.contentEncoding === "" ? [] : [`stored as ${hit.contentEncoding}`]),
    ...(stamp === undefined ? [] : [`shard ${stamp.shard}`]),
  ].join(" · ");
}
