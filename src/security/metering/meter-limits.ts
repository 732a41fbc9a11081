/** What a policy may give to one of its principals: the ranges of its numbers, and their defaults. */
import type { Bound } from "../../common/bound.ts";

/** Undefined: not limited. */
export interface MeterLimits {
  readonly operationsPerSecond?: number | undefined;
  /** Operations that may come at once after a pause. Default: those of a second. */
  readonly operationsBurst?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  /** Default: those of a second. */
  readonly bytesBurst?: number | undefined;
  /** At a time, as the next two. */
  readonly connectionsMax?: number | undefined;
  readonly streamsMax?: number | undefined;
  /** Of arriving requests, waiting results and answers that were not taken. */
  readonly heldMaxBytes?: number | undefined;
}

export const NO_LIMITS: MeterLimits = {};

type Range = Pick<Bound, "min" | "max">;

const RATE: Range = { min: 1, max: 10 ** 9 };
const BYTES: Range = { min: 1_024, max: 2 ** 40 };
const COUNT: Range = { min: 1, max: 1_000_000 };
/** One request or answer of the default size fits. */
const HELD: Range = { min: 4 * 1_024 * 1_024, max: 2 ** 40 };

export const METER_RANGES = {
  operationsPerSecond: RATE,
  operationsBurst: RATE,
  bytesPerSecond: BYTES,
  bytesBurst: BYTES,
  connectionsMax: COUNT,
  streamsMax: COUNT,
  heldMaxBytes: HELD,
} as const satisfies Record<keyof MeterLimits, Range>;

export const METER_LIMITS = [
  "operationsPerSecond",
  "operationsBurst",
  "bytesPerSecond",
  "bytesBurst",
  "connectionsMax",
  "streamsMax",
  "heldMaxBytes",
] as const satisfies readonly (keyof MeterLimits)[];
