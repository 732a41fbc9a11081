/** The range and default of a limit, and the one check of a chosen value against them. */

export interface Bound {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

/** Two values of which the first must not exceed the second. */
export type Relation<Name extends string> = readonly [smaller: Name, greater: Name];

/** Reads one option after the other, or its default. Throws a RangeError naming the option and its range. */
export function pickWithin<Name extends string>(
  bounds: Readonly<Record<Name, Bound>>,
  options: { readonly [Option in Name]?: number },
): (name: Name) => number {
  return (name) => {
    const { fallback, min, max } = bounds[name];
    const value = options[name] ?? fallback;
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new RangeError(`${name} must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
}
