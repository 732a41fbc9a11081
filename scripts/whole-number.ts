/** Reads the number of an option of a proof: a proof that began with no number would prove nothing, and say that it did. */
import { parseCount } from "../src/cli/settings/quantity.ts";

/** Throws an Error that names the option, for what is no whole number of at least 1. */
export function wholeNumber(option: string, text: string): number {
  const number = parseCount(text);
  if (number === undefined || number < 1) throw new Error(`--${option} must be a whole number of at least 1`);
  return number;
}
