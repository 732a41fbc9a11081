/** What a route of Fastify says of its caching, in its `config`. */
import type { FastifyRequest } from "fastify";
import { checkEntryTags, checkOptions, checkTags, durationOption } from "../../client/api/checks.ts";
import type { Duration } from "../../client/api/duration.ts";
import { checkNames, optionNames } from "../../client/api/option-names.ts";
import { ASSUMED_LIMITS, type ServerLimits } from "../../client/api/server-limits.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";

/** Tags, or what makes them of a request. */
export type Tags = readonly string[] | ((request: FastifyRequest) => readonly string[]);

export interface RouteCaching {
  /** How long a response is fresh: 1 to 31,536,000,000 ms (365 days). */
  readonly ttlMs: Duration;
  /** What `invalidate({ tags })` of a write removes it by; default none. At most 16 different ones, of 1 to 128 bytes. */
  readonly tags?: Tags;
  /** Names of request headers that select the response; default none. */
  readonly vary?: readonly string[];
  /** Also for requests with `authorization` or `cookie`: all who may call the route get the same. Default false: these bypass the cache. */
  readonly shared?: boolean;
}

/** What `config.meshcache` of a route may say. */
export interface RouteConfig {
  /** Of a GET: its responses are kept. */
  readonly cache?: RouteCaching;
  /** Of a write: the tags that it removes before it is answered, on every outcome of its handler. A list has at least one, of 1 to 128 bytes. */
  readonly invalidates?: Tags;
}

export interface ResolvedCaching {
  readonly ttlMs: number;
  readonly tagsOf: (request: FastifyRequest) => readonly string[];
  /** In lower case. */
  readonly vary: readonly string[];
  readonly shared: boolean;
}

const ROUTE_NAMES = optionNames<RouteConfig>({ cache: true, invalidates: true });
const CACHING_NAMES = optionNames<RouteCaching>({ ttlMs: true, tags: true, vary: true, shared: true });

/** What servers take unless they are configured otherwise: routes are made before a server is connected. */
const USUAL_LIMITS: ServerLimits = {
  ...ASSUMED_LIMITS,
  tagMaxBytes: LIMIT_BOUNDS.tagMaxBytes.fallback,
  entryMaxTags: LIMIT_BOUNDS.entryMaxTags.fallback,
};

/** What the route says. Throws FIELD_INVALID for what is no option. */
export function checkRouteConfig(config: RouteConfig | undefined): RouteConfig {
  return checkOptions(config, ROUTE_NAMES);
}

/** Throws FIELD_INVALID for an option out of its range. */
export function resolveCaching(caching: RouteCaching): ResolvedCaching {
  if (typeof caching !== "object" || caching === null) throw fieldInvalid("cache", "an object with ttlMs");
  checkNames(caching, CACHING_NAMES, "cache");
  const { ttlMs, tags, vary = [], shared = false } = caching;
  if (!Array.isArray(vary) || !vary.every((name) => typeof name === "string")) {
    throw fieldInvalid("vary", "names of headers");
  }
  return {
    // Required: 0 is out of its range.
    ttlMs: durationOption("ttlMs", ttlMs, 0, 1, LIMIT_BOUNDS.lifetimeMaxMs.fallback),
    tagsOf: typeof tags === "function" ? tags : listed(checkEntryTags(tags, USUAL_LIMITS)),
    vary: vary.map((name) => name.toLowerCase()).sort(),
    shared,
  };
}

/** Throws FIELD_INVALID for a list of which a server would refuse a tag, or that is empty. */
export function resolveInvalidates(tags: Tags): (request: FastifyRequest) => readonly string[] {
  if (typeof tags === "function") return tags;
  const checked = checkTags(tags, USUAL_LIMITS, "invalidates");
  if (checked.length === 0) throw fieldInvalid("invalidates", "at least one tag");
  return listed(checked);
}

const listed = (tags: readonly string[]) => () => tags;
