/** BentoCache's own suite for drivers, in its own runner: `bentocache.test.ts` starts it. */
import { test } from "@japa/runner";
import { registerCacheDriverTestSuite } from "bentocache/test_suite";
import { meshcacheDriver } from "../../../src/adapters/bentocache/index.ts";
import { MeshCache } from "../../../src/index.ts";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "" });

test.group("meshcacheDriver()", (group) => {
  registerCacheDriverTestSuite({
    test,
    group,
    supportsMilliseconds: true,
    createDriver: (options) => meshcacheDriver({ cache }).factory({ prefix: "japa", ...options }),
  });
  group.teardown(async () => {
    await cache.close();
  });
});
