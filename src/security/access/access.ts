/** What a caller may do: permissions as bits, the table of what each operation needs, and the check. */
import { CacheError } from "../../common/errors.ts";

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
  /** Also to give a lease back. */
  lease: permission.write | permission.read,
  /** Keys, tags or a prefix. */
  invalidate: permission.invalidate,
  invalidateAll: permission.invalidate | permission.admin,
  subscribe: permission.subscribe,
  /** In all namespaces: counters do not tell them apart. */
  stats: permission.observe,
  /** In any namespace: the schema is the same for all. */
  reflection: permission.inspect,
} as const;

/** The permissions of one caller. */
export interface Access {
  permits(namespace: string, needed: number): boolean;
  permitsEverywhere(needed: number): boolean;
  permitsSomewhere(needed: number): boolean;
  /** Counts a denial, and returns its error. */
  deny(needed: number): CacheError;
}

/** Throws PERMISSION_DENIED. Without `access`, everything is permitted. */
export function requireAccess(access: Access | undefined, namespace: string, needed: number): void {
  if (access !== undefined && !access.permits(namespace, needed)) throw access.deny(needed);
}

export function namesOf(mask: number): Permission[] {
  return PERMISSIONS.filter((name) => (mask & permission[name]) !== 0);
}

export function permissionDenied(needed: number): CacheError {
  const names = namesOf(needed).join(" and ");
  return new CacheError("PERMISSION_DENIED", `the caller needs ${names} here`, { permission: names });
}
