/** Puts queued names into as few messages as a server takes. */
import type { ServerLimits } from "../api/server-limits.ts";
import { divideTarget, type TargetPart } from "./invalidate-target.ts";
import type { QueuedName } from "./queued-name.ts";

/** An invalidation that fits one message. */
export interface AskedInvalidation {
  readonly namespace: string;
  readonly part: TargetPart;
  readonly soft: boolean;
  /** 0n: none. */
  readonly sourceVersion: bigint;
}

export interface QueuedMessage extends AskedInvalidation {
  /** Those of `part`, in its order. */
  readonly names: readonly QueuedName[];
}

export function toMessages(
  namespace: string,
  names: readonly QueuedName[],
  limits: ServerLimits,
): QueuedMessage[] {
  const groups = new Map<string, QueuedName[]>();
  for (const name of names) {
    const { target, soft, sourceVersion } = name;
    // A message has one prefix only.
    const prefix = target === "prefix" ? name.name : "";
    const group = `${target}/${soft}/${sourceVersion}/${prefix}`;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [name]);
    else members.push(name);
  }
  return [...groups.values()].flatMap((members) => divide(namespace, members, limits));
}

/** `members`: of one target and kind. */
function divide(namespace: string, members: readonly QueuedName[], limits: ServerLimits): QueuedMessage[] {
  const [first] = members;
  if (first === undefined) return [];
  const { target, soft, sourceVersion } = first;
  let from = 0;
  return divideTarget({ target, names: members.map(({ name }) => name) }, limits).map((part) => {
    const names = members.slice(from, from + part.names.length);
    from += part.names.length;
    return { namespace, part, soft, sourceVersion, names };
  });
}
