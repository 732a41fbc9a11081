/** What a caller may do: permissions as bits, the table of what each operation needs, and the check. */
import { CacheError } from "../../common/errors.ts";
import type { AuditedAction } from "./audit-log.ts";
import type { Meter } from "./meter.ts";

export const PERMISSIONS = [
  "read",
  "write",
  "invalidate",
  "subscribe",
  "observe",
  "inspect",
  "admin",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** One bit each. */
export const permission = {
  read: 1,
  write: 2,
  invalidate: 4,
  subscribe: 8,
  observe: 16,
  inspect: 32,
  admin: 64,
} as const satisfies Record<Permission, number>;

/** What each operation needs in its namespace. What reveals whether an entry exists needs `read` too. */
export const NEEDS = {
  get: permission.read,
  set: permission.write,
  /** With a condition, a lease's token or a source version: its outcome tells of the entry that is there. */
  setConditionally: permission.write | permission.read,
  touch: permission.write | permission.read,
  /** It answers with the value that is there. */
  increment: permission.write | permission.read,
  /** Also to give a lease back. */
  lease: permission.write | permission.read,
  /** Keys, tags or a prefix. */
  invalidate: permission.invalidate,
  invalidateAll: permission.invalidate | permission.admin,
  subscribe: permission.subscribe,
  /** In all namespaces: counters do not tell them apart. */
  stats: permission.observe,
  listKeys: permission.inspect,
  /** What the store has for a key but its value, and the prefixes that others subscribe to. */
  inspect: permission.inspect,
  inspectValue: permission.inspect | permission.read,
  /** In any namespace: the schema is the same for all. */
  reflection: permission.inspect,
} as const;

/** What one caller may do, and how much. */
export interface Access {
  /** Its name. */
  readonly principal: string;
  /** Undefined: its operations are not metered. */
  readonly meter: Meter | undefined;
  permits(namespace: string, needed: number): boolean;
  /** In every namespace whose name begins so, also in those that do not exist yet. */
  permitsPrefix(namespacePrefix: string, needed: number): boolean;
  permitsEverywhere(needed: number): boolean;
  permitsSomewhere(needed: number): boolean;
  /**
   * Calls `denied` once when a new policy takes away what something that waits needs. Returns what is to be
   * called when it waits no more.
   */
  whilePermitted(namespace: string, needed: number, denied: (error: CacheError) => void): () => void;
  /** The audit log says that a whole namespace was invalidated, or the value of one of its entries shown to an operator. */
  acted(action: AuditedAction, namespace: string): void;
  /**
   * Counts a denial, and returns its error. `namespace`: where, in its checked form; empty: in none. `field`: of the request,
   * where one alone is what is denied.
   */
  deny(needed: number, namespace: string, field?: string): CacheError;
}

/** Throws PERMISSION_DENIED. Without `access`, everything is permitted. */
export function requireAccess(access: Access | undefined, namespace: string, needed: number): void {
  if (access !== undefined && !access.permits(namespace, needed)) throw access.deny(needed, namespace);
}

/** Throws LIMIT_EXCEEDED when the caller has used what it may. Otherwise counts an operation, and returns what counts its bytes. */
export function requireRoom(access: Access | undefined): Meter | undefined {
  const meter = access?.meter;
  const refusal = meter?.admit();
  if (refusal !== undefined) throw refusal;
  return meter;
}

/** The field of a selector that asks for more namespaces than the caller may subscribe to. */
export const WIDE_SELECTOR_FIELD = "namespace_is_prefix";

/** The error of the first selector whose events the caller may not have. */
export function selectorDenial(
  access: Access | undefined,
  selectors: readonly { readonly namespace: string; readonly namespaceIsPrefix?: boolean }[],
): CacheError | undefined {
  if (access === undefined) return undefined;
  const { subscribe } = NEEDS;
  for (const { namespace, namespaceIsPrefix } of selectors) {
    if (namespaceIsPrefix) {
      if (!access.permitsPrefix(namespace, subscribe))
        return access.deny(subscribe, `${namespace}*`, WIDE_SELECTOR_FIELD);
    } else if (!access.permits(namespace, subscribe)) return access.deny(subscribe, namespace);
  }
  return undefined;
}

/** Which of these selectors, counted from 0, are of a namespace that the caller may not subscribe to. Each is a denial. */
export function deniedSelectors(
  access: Access | undefined,
  selectors: readonly { readonly namespace: string; readonly namespaceIsPrefix?: boolean }[],
): number[] {
  if (access === undefined) return [];
  const { subscribe } = NEEDS;
  return selectors.flatMap(({ namespace, namespaceIsPrefix }, at) => {
    if (namespaceIsPrefix || access.permits(namespace, subscribe)) return [];
    access.deny(subscribe, namespace);
    return [at];
  });
}

export function namesOf(mask: number): Permission[] {
  return PERMISSIONS.filter((name) => (mask & permission[name]) !== 0);
}

export function permissionDenied(needed: number, field?: string): CacheError {
  const names = namesOf(needed).join(" and ");
  const where = field === undefined ? "here" : `wherever ${field} reaches`;
  const detail = { permission: names, ...(field !== undefined && { field }) };
  return new CacheError("PERMISSION_DENIED", `the caller needs ${names} ${where}`, detail);
}
