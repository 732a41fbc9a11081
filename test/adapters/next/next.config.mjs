import { fileURLToPath } from "node:url";

const cacheHandler = fileURLToPath(new URL("cache-handler.mjs", import.meta.url));

export default {
  cacheComponents: true,
  partialPrefetching: true,
  turbopack: { root: import.meta.dirname },
  cacheHandlers: { default: cacheHandler, remote: cacheHandler },
};
