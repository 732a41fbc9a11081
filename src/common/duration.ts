/** Times as text with a unit: "250ms", "30s", "10m", "1.5h", "7d". */

/** "m" and "min" are minutes. */
export type DurationUnit = "ms" | "s" | "m" | "min" | "h" | "d";

export const MS_OF_UNITS: Readonly<Record<DurationUnit, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const DURATION = /^(\d+(?:\.\d+)?) ?(ms|s|m|min|h|d)$/;

/** In milliseconds. Undefined for what is no time with a unit, or no whole number of milliseconds. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * MS_OF_UNITS[match[2] as DurationUnit];
  return Number.isSafeInteger(ms) ? ms : undefined;
}
