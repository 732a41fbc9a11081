/** The target of an invalidation: checked, and divided into parts that fit one Invalidate each. */
import { type CacheError, fieldInvalid } from "../../common/errors.ts";
import { checkKeys, checkPrefix, checkTags, unreadable } from "../api/checks.ts";
import { optionNames } from "../api/option-names.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import type { Change } from "../coherence/coherence.ts";
import type { InvalidateTarget } from "../messages/requests.ts";

/** Exactly one of them. */
export type Target =
  | { readonly keys: readonly string[] }
  | { readonly tags: readonly string[] }
  | { readonly prefix: string }
  | { readonly all: true };

/** What is invalidated, or as much of it as one message takes. */
export interface TargetPart {
  readonly target: Change["target"];
  /** One, and empty for "all"; any number of keys or tags. */
  readonly names: readonly string[];
}

/** The most that a message takes beside the names of its Invalidate. */
const INVALIDATE_OVERHEAD_BYTES = 512;
/** Its tag and length. */
const NAME_OVERHEAD_BYTES = 4;
const UTF8_BYTES_PER_UNIT = 3;

/** Throws FIELD_INVALID. */
export function toTarget(given: Target, limits: ServerLimits): TargetPart {
  const { keys, tags, prefix, all } = checkTarget(given, limits);
  if (keys !== undefined) return { target: "key", names: keys };
  if (tags !== undefined) return { target: "tag", names: tags };
  if (prefix !== undefined) return { target: "prefix", names: [prefix] };
  // A misspelled field of an untyped caller must not clear the whole namespace.
  if (all !== true) throw badTarget();
  return { target: "all", names: [""] };
}

/** As many parts as the server needs messages. One name is never divided. */
export function divideTarget({ target, names }: TargetPart, limits: ServerLimits): TargetPart[] {
  const { invalidateMaxKeys, invalidateMaxTags, batchMaxBytes, receiveMaxBytes } = limits;
  const maxNames = target === "key" ? invalidateMaxKeys : invalidateMaxTags;
  const maxBytes = Math.min(batchMaxBytes, receiveMaxBytes) - INVALIDATE_OVERHEAD_BYTES;
  const parts: TargetPart[] = [];
  let from = 0;
  let bytes = 0;
  for (const [at, name] of names.entries()) {
    const nameBytes = name.length * UTF8_BYTES_PER_UNIT + NAME_OVERHEAD_BYTES;
    if (at > from && (at - from === maxNames || bytes + nameBytes > maxBytes)) {
      parts.push({ target, names: names.slice(from, at) });
      from = at;
      bytes = 0;
    }
    bytes += nameBytes;
  }
  if (from < names.length) parts.push({ target, names: from === 0 ? names : names.slice(from) });
  return parts;
}

export function toInvalidateTarget({ target, names }: TargetPart): InvalidateTarget {
  switch (target) {
    case "key":
      return { case: "keys", value: { $typeName: "meshcache.v1.KeyList", keys: [...names] } };
    case "tag":
      return { case: "tags", value: { $typeName: "meshcache.v1.TagList", tags: [...names] } };
    case "prefix":
      return { case: "prefix", value: names[0] ?? "" };
    case "all":
      return { case: "all", value: true };
    default:
      return target satisfies never;
  }
}

/** As the application names it. */
export function fromTarget({ target, names }: TargetPart): Target {
  switch (target) {
    case "key":
      return { keys: names };
    case "tag":
      return { tags: names };
    case "prefix":
      return { prefix: names[0] ?? "" };
    case "all":
      return { all: true };
    default:
      return target satisfies never;
  }
}

const TARGET_FIELDS = optionNames<CheckedTarget>({ keys: true, tags: true, prefix: true, all: true });

/** At most one field is defined. */
interface CheckedTarget {
  readonly keys?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
  readonly all?: boolean | undefined;
}

function checkTarget(target: Target, limits: ServerLimits): CheckedTarget {
  if (typeof target !== "object" || target === null) throw badTarget();
  try {
    if (Object.keys(target).some((name) => !TARGET_FIELDS.has(name))) throw badTarget();
    const { keys, tags, prefix, all }: CheckedTarget = target;
    if ([keys, tags, prefix, all].filter((field) => field !== undefined).length > 1) throw badTarget();
    return {
      keys: keys === undefined ? undefined : checkKeys(keys, limits),
      tags: tags === undefined ? undefined : checkTags(tags, limits),
      prefix: prefix === undefined ? undefined : checkPrefix(prefix, limits),
      all,
    };
  } catch (error) {
    throw unreadable("target", error);
  }
}

function badTarget(): CacheError {
  return fieldInvalid("target", "one of keys, tags, prefix and all");
}
