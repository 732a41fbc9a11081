/** The plugin of Fastify: `fastify.meshcache`, routes whose responses are kept, and writes that remove them. */

import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import { checkCache } from "../../client/api/cache-option.ts";
import { bytes } from "../../client/api/codecs.ts";
import { QueuedInvalidationError } from "../../client/api/queued-invalidation-error.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { ANSWERED_BY, RouteCache } from "./route-cache.ts";
import {
  checkRouteConfig,
  type ResolvedCaching,
  type RouteCaching,
  type RouteConfig,
  resolveCaching,
  resolveInvalidates,
  type Tags,
} from "./route-options.ts";

export interface MeshcachePluginOptions {
  /** It is `fastify.meshcache`. The application closes it. */
  readonly cache: MeshCache;
  /** Where responses are kept: one for each service, or for services whose writes remove each other's responses. */
  readonly namespace: string;
}

declare module "fastify" {
  interface FastifyInstance {
    /** The client of the cache. */
    meshcache: MeshCache;
  }
  interface FastifyContextConfig {
    meshcache?: RouteConfig;
  }
}

/** By what a request may be answered. */
type Asked = WeakMap<FastifyRequest, RouteCache>;

/** How long the answer of a write waits for the acknowledgement. */
const ACKNOWLEDGE_WITHIN_MS = 2_000;

/** For `fastify.register(meshcache, { cache, namespace })`, before the routes. Throws FIELD_INVALID for options of a route. */
export async function meshcache(fastify: FastifyInstance, options: MeshcachePluginOptions): Promise<void> {
  // Fastify gives its own options of `register` too.
  checkCache(options);
  const { cache, namespace } = options;
  fastify.decorate("meshcache", cache);
  // Errors are as without a cache: one call of the handler each.
  const responses = cache.namespace(namespace, { codec: bytes(), undecodable: "miss", failureCooldownMs: 0 });
  const asked: Asked = new WeakMap();
  // Before the hooks of plugins that are registered later: what they make of an answer they make of a kept one, too.
  fastify.addHook("onSend", async (request, reply, payload) => {
    const cached = asked.get(request);
    return cached === undefined ? payload : cached.begin(request, reply, payload);
  });
  fastify.addHook("onRoute", (route) => {
    const { cache: caching, invalidates } = checkRouteConfig(route.config?.meshcache);
    if (invalidates !== undefined) removeAfter(route, responses, invalidates);
    if (caching === undefined) return;
    const methods = [route.method].flat();
    // A HEAD that Fastify adds to a GET has its options, and is answered by its handler.
    if (!methods.some((method) => method === "GET" || method === "HEAD")) {
      throw fieldInvalid("cache", "of a route for GET");
    }
    if (methods.includes("GET")) {
      keep(route, new RouteCache(responses, cachingOf(route, caching), nameOf(route)), asked);
    }
  });
}

// As fastify-plugin does it: the decorator and the hook are for the routes beside the plugin.
Object.assign(meshcache, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "meshcache",
  [Symbol.for("plugin-meta")]: { name: "meshcache", fastify: "5.x" },
});

/** Routes may differ in their constraints alone, such as the host. */
function nameOf({ url, constraints = {} }: RouteOptions): string {
  const texts = Object.entries(constraints).map(([name, value]) => `${name}=${value}`);
  return ["GET", url, ...texts.sort()].join(" ");
}

/** A constraint of the host may be a pattern, and the answer that of one host. */
function cachingOf({ constraints }: RouteOptions, caching: RouteCaching): ResolvedCaching {
  const resolved = resolveCaching(caching);
  return constraints?.host === undefined ? resolved : { ...resolved, vary: [...resolved.vary, "host"] };
}

/** After all hooks that may refuse the request, and after those that may change the answer. */
function keep(route: RouteOptions, cached: RouteCache, asked: Asked): void {
  route.preHandler = [
    ...[route.preHandler ?? []].flat(),
    async (request: FastifyRequest, reply: FastifyReply) => {
      if (request.method !== "GET") return undefined;
      asked.set(request, cached);
      return cached.answer(request, reply);
    },
  ];
  route.onSend = [
    ...[route.onSend ?? []].flat(),
    async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
      cached.keep(request, reply);
      return payload;
    },
  ];
  const giveUp = async (request: FastifyRequest) => cached.giveUp(request);
  route.onResponse = [...[route.onResponse ?? []].flat(), giveUp];
  route.onRequestAbort = [...[route.onRequestAbort ?? []].flat(), giveUp];
}

/** On every outcome of the handler. What hooks have refused before it has written nothing. */
function removeAfter(route: RouteOptions, responses: Namespace<Uint8Array>, invalidates: Tags): void {
  const tagsOf = resolveInvalidates(invalidates);
  const handled = new WeakSet<FastifyRequest>();
  route.preHandler = [
    ...[route.preHandler ?? []].flat(),
    async (request: FastifyRequest) => void handled.add(request),
  ];
  route.onSend = [
    ...[route.onSend ?? []].flat(),
    async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
      if (handled.has(request)) reply.header(ANSWERED_BY, await remove(responses, () => tagsOf(request)));
      return payload;
    },
  ];
}

/** What became of it. The answer of a write never fails for it: without a connection it is queued. */
async function remove(responses: Namespace<Uint8Array>, tagsOf: () => readonly string[]): Promise<string> {
  try {
    await responses.invalidate({ tags: tagsOf() }, { deadlineMs: ACKNOWLEDGE_WITHIN_MS });
    return "invalidated";
  } catch (error) {
    return error instanceof QueuedInvalidationError ? "queued" : "failed";
  }
}
