/** The `Cache-Status` field (RFC 9211): what this cache did with a request. */
import { SURROGATE } from "./rules/cache-control.ts";

/** Why a request went to the origin. */
export type ForwardReason = "bypass" | "method" | "uri-miss" | "vary-miss" | "miss" | "request" | "stale";

export interface CacheStatus {
  readonly hit?: boolean;
  readonly fwd?: ForwardReason;
  readonly fwdStatus?: number;
  readonly stored?: boolean;
  /** It waited for the request of somebody else. */
  readonly collapsed?: boolean;
  /** How long it stays fresh; less than 0: since when it is stale. */
  readonly ttlMs?: number;
  /** Where a hit came from: this process, or the cache of the mesh. */
  readonly detail?: "near" | "remote";
}

export function toCacheStatus(status: CacheStatus): string {
  let text: string = SURROGATE;
  if (status.hit) text += "; hit";
  if (status.fwd !== undefined) text += `; fwd=${status.fwd}`;
  if (status.fwdStatus !== undefined) text += `; fwd-status=${status.fwdStatus}`;
  if (status.stored) text += "; stored";
  if (status.collapsed) text += "; collapsed";
  if (status.ttlMs !== undefined) text += `; ttl=${Math.floor(status.ttlMs / 1_000)}`;
  if (status.detail !== undefined) text += `; detail=${status.detail}`;
  return text;
}
