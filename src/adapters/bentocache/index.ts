/** `import "meshcache/bentocache"`: a driver for BentoCache's second layer, and its bus. */
export {
  type MeshcacheBus,
  type MeshcacheBusOptions,
  type MeshcacheBusResult,
  meshcacheBusDriver,
} from "./bus.ts";
export {
  type MeshcacheDriver,
  type MeshcacheDriverOptions,
  type MeshcacheDriverResult,
  meshcacheDriver,
} from "./driver.ts";
