/** Preloaded into a program: what it imports as an installed package of this repository is the source of it. */
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";
import { packageSources } from "./package-sources.ts";

registerHooks({
  resolve(specifier, context, next) {
    const source = packageSources.get(specifier);
    return next(source === undefined ? specifier : pathToFileURL(source).href, context);
  },
});
