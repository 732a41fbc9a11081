/**
 * What callbacks threw, for code that has to call every one of them: an error of one must not keep the others from
 * being called. The caller collects the errors and throws them once, at the end.
 */

export type CallbackErrors = readonly unknown[];

export const NO_ERRORS: CallbackErrors = [];

export function joinErrors(first: CallbackErrors, second: CallbackErrors): CallbackErrors {
  if (second.length === 0) return first;
  return first.length === 0 ? second : [...first, ...second];
}

/** Throws a single error as it is, several in an AggregateError; returns when there is none. */
export function throwErrors(errors: CallbackErrors): void {
  if (errors.length === 0) return;
  if (errors.length === 1) throw errors[0];
  throw new AggregateError(errors, `${errors.length} callbacks threw`);
}
