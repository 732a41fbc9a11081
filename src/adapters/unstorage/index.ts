/** `import "meshcache/unstorage"`: a driver of unstorage. */
export {
  type Item,
  type ItemOptions,
  type MeshcacheDriver,
  type MeshcacheDriverOptions,
  meshcacheDriver,
  type WatchCallback,
} from "./driver.ts";
