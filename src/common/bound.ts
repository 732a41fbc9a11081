/** The range and the default of a number that can be configured, and the check of a chosen value. */

export interface Bound {
  /** The default. */
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

/** Two values of which the first must not exceed the second. */
export type Relation<Name extends string> = readonly [smaller: Name, greater: Name];

/**
 * Returns a function that gives the value of one option, or its default. That function throws a RangeError, which
 * names the option and its range, for a value that is no whole number or out of the range.
 */
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
