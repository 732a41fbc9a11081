/** Numbers with their units, as the page shows them: short, of even width, and never without saying what they count. */
import { toCount } from "../../cli/output/text.ts";

export { plural, toCount, toSize } from "../../cli/output/text.ts";
export { toDuration } from "../../common/duration.ts";

/** For what is not known, or cannot be computed. */
export const NOTHING = "–";

const SHORT: readonly (readonly [from: number, suffix: string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e4, "k"],
];

/** 1234 -> "1,234", 1234567 -> "1.23 M": three digits are what changes fast enough to be read. */
export function toShort(value: number): string {
  const [from, suffix] = SHORT.find(([least]) => value >= least) ?? [1, ""];
  if (suffix === "") return toPlain(value);
  const scaled = value / (suffix === "k" ? 1e3 : from);
  return `${scaled.toFixed(scaled < 10 ? 2 : scaled < 100 ? 1 : 0)} ${suffix}`;
}

function toPlain(value: number): string {
  if (Number.isInteger(value) || value >= 100) return toCount(Math.round(value));
  return value.toFixed(value < 1 ? 2 : 1);
}

/** 1234567 -> "1.23 M/s". */
export const toRate = (perSecond: number): string => `${toShort(perSecond)}/s`;

/** 0.987 -> "98.7 %". */
export const toPercent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A time of a call or a delay, in seconds: 0.000123 -> "123 µs", 0.0123 -> "12.3 ms". */
export function toLatency(seconds: number): string {
  const [value, unit] =
    seconds < 1e-3 ? [seconds * 1e6, "µs"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
  return `${value === 0 ? "0" : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

/** `show`, or a dash for what is not known. */
export const orNothing = (value: number | undefined | null, show: (value: number) => string): string =>
  value === undefined || value === null || Number.isNaN(value) ? NOTHING : show(value);

/** An id of 64 bits, as the log and the command line show it. */
export const toHexId = (id: bigint): string => id.toString(16).padStart(16, "0");
