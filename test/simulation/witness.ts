/**
 * Answers the question behind every check of a read: at which moment of a window did the server hold what the
 * reader was given? If there is no such moment, the read broke a promise.
 */
import type { Moment } from "./history.ts";
import type { Spell } from "./truth.ts";

/** The result of a read. */
export type Observed =
  | { readonly kind: "value"; readonly value: string; readonly stale: boolean }
  /** An entry that records that the source has no such record. */
  | {
      readonly kind: "absent";
      readonly key: string;
      readonly version: number;
      readonly life: number;
      readonly stale: boolean;
    }
  | { readonly kind: "miss" };

export interface Window {
  /** At this moment or later. */
  readonly from: Moment;
  readonly to: Moment;
  /** Only after this instant. */
  readonly afterMs: number;
  /** The TTL that the entry had at the moment must not have ended at this instant. */
  readonly livesAtMs: number;
}

const end: Moment = { order: Number.POSITIVE_INFINITY, atMs: Number.POSITIVE_INFINITY };

/** The earliest moment of the window in which `spells` agree with what was observed. */
export function earliestWitness(
  spells: readonly Spell[],
  observed: Observed,
  window: Window,
): Moment | undefined {
  for (const spell of spells) {
    const until = spell.end ?? end;
    if (until.order <= window.from.order || spell.from.order > window.to.order) continue;
    if (until.atMs <= window.afterMs) continue;
    const start = spell.from.order > window.from.order ? spell.from : window.from;
    const startMs = Math.max(start.atMs, window.afterMs + 1);
    if (startMs > window.to.atMs) continue;
    const witness = { order: start.order, atMs: startMs };
    if (observed.kind === "miss") {
      const sinceMs =
        spell.held === undefined || spell.soft ? startMs : Math.max(startMs, spell.freshUntilMs);
      if (sinceMs > window.to.atMs || sinceMs > until.atMs) continue;
      return { order: start.order, atMs: sinceMs };
    }
    if (!isSame(spell, observed)) continue;
    if (observed.stale) {
      const sinceMs = spell.soft ? startMs : Math.max(startMs, spell.freshUntilMs);
      const lasts = spell.staleUntilMs > window.livesAtMs && spell.staleUntilMs > sinceMs;
      if (lasts && sinceMs <= window.to.atMs && sinceMs <= until.atMs) return { ...witness, atMs: sinceMs };
    } else if (!spell.soft && spell.freshUntilMs > startMs && spell.freshUntilMs > window.livesAtMs) {
      return witness;
    }
  }
  return undefined;
}

function isSame(spell: Spell, observed: Exclude<Observed, { kind: "miss" }>): boolean {
  const { held } = spell;
  if (held === undefined) return false;
  if (observed.kind === "value") return held.value === observed.value;
  return held.value === undefined && held.version === observed.version && held.life === observed.life;
}
