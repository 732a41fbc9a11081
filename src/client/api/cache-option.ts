/** The options of what keeps something in the cache of an application, such as an adapter: what is wrong with them is said by name. */
import { fieldInvalid } from "../../common/errors.ts";
import { checkNames, type OptionNames } from "./option-names.ts";

/** Throws FIELD_INVALID without a client of the cache, such as for the client itself in the place of options. */
export function checkCache(options: { readonly cache: object }): void {
  const cache: unknown = options?.cache;
  const isClient = typeof cache === "object" && cache !== null && "namespace" in cache;
  // Not by its class: an application may have two copies of the package.
  if (!isClient || typeof cache.namespace !== "function") {
    throw fieldInvalid("cache", "a MeshCache, in an object: { cache }");
  }
}

/** Also throws FIELD_INVALID for a name that is no option. */
export function checkCacheOptions(options: { readonly cache: object }, names: OptionNames): void {
  checkCache(options);
  checkNames(options, names);
}
