/** The target of an invalidation: checked, and divided into parts that fit one Invalidate each. */
import { type CacheError, fieldInvalid } from "../../common/errors.ts";
import { checkKeys, checkPrefix, checkTags, unreadable } from "../api/checks.ts";
import type { Change } from "../coherence/coherence.ts";
import type { InvalidateTarget } from "../messages/requests.ts";

/** Exactly one of them. */
export type Target =
  | { readonly keys: readonly string[] }
  | { readonly tags: readonly string[] }
  | { readonly prefix: string }
  | { readonly all: true };

/** What one Invalidate names, for the local caches and for the server. */
export interface TargetPart {
  readonly target: Change["target"];
  readonly names: readonly string[];
  readonly request: InvalidateTarget;
}

/** The limits of the server for one Invalidate. */
const KEYS_MAX = 1_024;
const TAGS_MAX = 64;

/** Throws FIELD_INVALID. */
export function toTargetParts(target: Target): TargetPart[] {
  const { keys, tags, prefix, all } = checkTarget(target);
  if (keys !== undefined) {
    return chunks(keys, KEYS_MAX).map((names) => ({
      target: "key",
      names,
      request: { case: "keys", value: { $typeName: "meshcache.v1.KeyList", keys: names } },
    }));
  }
  if (tags !== undefined) {
    return chunks(tags, TAGS_MAX).map((names) => ({
      target: "tag",
      names,
      request: { case: "tags", value: { $typeName: "meshcache.v1.TagList", tags: names } },
    }));
  }
  if (prefix !== undefined) {
    return [{ target: "prefix", names: [prefix], request: { case: "prefix", value: prefix } }];
  }
  // A misspelled field of an untyped caller must not clear the whole namespace.
  if (all !== true) throw badTarget();
  return [{ target: "all", names: [""], request: { case: "all", value: true } }];
}

/** At most one field is defined. */
interface CheckedTarget {
  readonly keys?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
  readonly all?: boolean | undefined;
}

function checkTarget(target: Target): CheckedTarget {
  if (typeof target !== "object" || target === null) throw badTarget();
  try {
    const { keys, tags, prefix, all }: CheckedTarget = target;
    if ([keys, tags, prefix, all].filter((field) => field !== undefined).length > 1) throw badTarget();
    return {
      keys: keys === undefined ? undefined : checkKeys(keys),
      tags: tags === undefined ? undefined : checkTags(tags),
      prefix: prefix === undefined ? undefined : checkPrefix(prefix),
      all,
    };
  } catch (error) {
    throw unreadable("target", error);
  }
}

function badTarget(): CacheError {
  return fieldInvalid("target", "one of keys, tags, prefix and all");
}

function chunks(names: readonly string[], size: number): string[][] {
  const parts: string[][] = [];
  for (let from = 0; from < names.length; from += size) parts.push(names.slice(from, from + size));
  return parts;
}
