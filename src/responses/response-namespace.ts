/** The namespace of stored responses. All parts of a process that keep responses in one share its options. */
import type { MeshCache } from "../client/mesh-cache.ts";
import type { Namespace } from "../client/namespace.ts";
import { storedCodec } from "./answer.ts";

/** `name`: default "responses". Throws FIELD_INVALID for one that is none. */
export function responseNamespace(cache: MeshCache, name = "responses"): Namespace<Buffer> {
  return cache.namespace(name, {
    codec: storedCodec,
    undecodable: "miss",
    // Errors are as without a cache: one call each.
    failureCooldownMs: 0,
  });
}
