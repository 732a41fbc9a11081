/** How commands show an entry and its stamp. */
import type { Hit, Stamp } from "../../../gen/meshcache/v1/cache_pb.ts";
import { toDuration } from "../../common/duration.ts";
import { toJsonBytes } from "../output/json.ts";
import { oneLine } from "../output/text.ts";

export function toJsonStamp(stamp: Stamp | undefined): object | undefined {
  return stamp && { epoch: stamp.epoch, shard: stamp.shard, revision: Number(stamp.revision) };
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
    ...(stamp === undefined ? [] : [`shard ${stamp.shard}`]),
  ].join(" · ");
}
