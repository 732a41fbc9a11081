/** Where an answer came from, and what became of the invalidations of a write: as callers and spans are told. */
import { activeSpan } from "../client/telemetry/otel-global.ts";

/** Where an answer came from: this process's near cache, the cache, the service, or the stale window of the cache. */
export type AnswerSource = "near" | "remote" | "miss" | "stale";

/** What became of the invalidations of a write. */
export type WriteEffect =
  /** They were acknowledged. */
  | "invalidated"
  /** The outcome is one of `unchanged_on`. */
  | "unchanged"
  /** No server has answered in time. They are sent as soon as there is a connection. */
  | "queued"
  /** The cache has refused them. */
  | "failed";

/** The metadata that says where an answer came from, or what became of the invalidations of a write. */
export const SOURCE_METADATA = "x-meshcache";
export const SOURCE_ATTRIBUTE = "meshcache.response";

/** Says on the active span where an answer came from. */
export function markSpan(source: AnswerSource | WriteEffect): void {
  try {
    activeSpan()?.setAttribute(SOURCE_ATTRIBUTE, source);
  } catch {
    // What the application has registered must not end its calls.
  }
}
