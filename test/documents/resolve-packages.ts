/** Preloaded into a program of the documents: what it imports as an installed package is this repository's source. */
import { registerHooks } from "node:module";

const SOURCES: Readonly<Record<string, string>> = {
  meshcache: "../../src/index.ts",
  "meshcache-client": "../../src/index.ts",
  "meshcache/server": "../../src/server/index.ts",
  "meshcache/testing": "../../src/testing/index.ts",
  "meshcache/grpc": "../../src/responses/grpc/index.ts",
  "meshcache/undici": "../../src/responses/undici/index.ts",
  "meshcache/connect": "../../src/responses/connect/index.ts",
};

registerHooks({
  resolve(specifier, context, next) {
    const source = SOURCES[specifier];
    return next(source === undefined ? specifier : new URL(source, import.meta.url).href, context);
  },
});
