/** The value that a loader returned, in the shape that later readers get: as its codec brings it back. */
import type { Loaded } from "../api/load-result.ts";
import type { SharedHit } from "../near-cache/cached-entry.ts";
import type { NamespaceContext } from "./namespace-context.ts";

export interface ShapedValue<Value> {
  readonly value: Value | undefined;
  /** Makes the value of one more caller. Undefined: all callers share `value`. */
  readonly another: (() => Value) | undefined;
  readonly stored:
    | { readonly encoded: Uint8Array; readonly shared: SharedHit<Value> | undefined }
    | undefined;
  /** CODEC: why the value cannot be stored. Then all callers share the original, frozen if all of it can be. */
  readonly refusal: unknown;
}

/** Never throws. */
export function shapeOf<Value>(
  { values }: NamespaceContext<Value>,
  { value, absent }: Loaded<Value>,
): ShapedValue<Value> {
  if (absent || value === undefined) {
    return { value: undefined, another: undefined, stored: undefined, refusal: undefined };
  }
  try {
    const encoded = values.encode(value);
    const { hit, shareable } = values.decodeBorrowed(encoded);
    return {
      value: hit.value,
      another: shareable ? undefined : () => values.decodeBorrowed(encoded).hit.value,
      stored: { encoded, shared: shareable ? hit : undefined },
      refusal: undefined,
    };
  } catch (refusal) {
    values.freezeOriginal(value);
    return { value, another: undefined, stored: undefined, refusal };
  }
}
