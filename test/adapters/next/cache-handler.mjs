import { MeshCache } from "meshcache-client";
import { createCacheHandler } from "meshcache-client/next";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
export default createCacheHandler({ cache });
