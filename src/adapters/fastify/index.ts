/** `import "meshcache/fastify"`: a plugin of Fastify. */
export { type MeshcachePluginOptions, meshcache } from "./plugin.ts";
export type { RouteCaching, RouteConfig, Tags } from "./route-options.ts";
