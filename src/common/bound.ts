/** The range and default of a limit, and the one check of a chosen value against them. */

export interface Bound {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

type Range = Omit<Bound, "fallback">;

export function isWithin(value: number, { min, max }: Range): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}

/** The range in words, for an error: "a whole number from 1 to 256". */
export function describeRange({ min, max }: Range): string {
  return `a whole number from ${min} to ${max}`;
}

/** Reads one option after the other, or its default. Throws a RangeError naming the option and its range. */
export function pickWithin<Name extends string>(
  bounds: Readonly<Record<Name, Bound>>,
  options: { readonly [Option in Name]?: number },
): (name: Name) => number {
  return (name) => {
    const bound = bounds[name];
    const value = options[name] ?? bound.fallback;
    if (!isWithin(value, bound)) throw new RangeError(`${name} must be ${describeRange(bound)}`);
    return value;
  };
}
