/** Parses the header `grpc-timeout`, the time that a caller gives its call. */

const FORM = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** In milliseconds. Undefined: it is malformed. */
export function parseTimeoutMs(header: string): number | undefined {
  const [, amount, unit] = FORM.exec(header) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Number(amount) * (UNIT_MS[unit] ?? 1);
}
