/** Reads and writes sizes and times as text: "64MiB", "30s", "1.5h". */
import { MS_OF_UNITS, toDuration } from "../../common/duration.ts";
import { toCount, toSize } from "../output/text.ts";

/** The unit of a number: none, bytes or milliseconds. */
export type Unit = "" | "bytes" | "ms";

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text.trim().replaceAll("_", ""));
  if (match === null) return undefined;
  const factor = match[2] === "" ? 1 : units[match[2] ?? ""];
  const value = factor === undefined ? Number.NaN : Number(match[1]) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** "64MiB", "1.5GiB", "512B" or a plain number of bytes; `undefined` for anything else. */
export function parseBytes(text: string): number | undefined {
  return parse(text, BYTES);
}

/** "250ms", "30s", "10m" or "10min", "1.5h", "7d" or a plain number of milliseconds; `undefined` for anything else. */
export function parseDurationMs(text: string): number | undefined {
  return parse(text, MS_OF_UNITS);
}

/** A plain whole number, "10_000" too; `undefined` for anything else. */
export function parseCount(text: string): number | undefined {
  return parse(text, {});
}

/** A quantity as text: with a greater unit if that is exact, as "2.5 MiB", else as "65,535 bytes". */
export function toQuantity(value: number, unit: Unit): string {
  if (unit === "") return toCount(value);
  const short = unit === "bytes" ? toSize(value) : toDuration(value);
  const parsed = unit === "bytes" ? parseBytes(short) : parseDurationMs(short);
  return parsed === value ? short : `${toCount(value)} ${unit}`;
}
