/** Why an error happened, in one line: what stands at the end of its causes. */

/** A chain of causes is followed so far: a longer one is a circle. */
const CAUSES_MAX = 16;

/** The last error of the chain of causes. Of several errors at once, such as those of the addresses of a name, the first. */
export function rootCauseOf(error: unknown): unknown {
  let at = error;
  for (let step = 0; step < CAUSES_MAX; step += 1) {
    const next: unknown =
      at instanceof AggregateError ? at.errors[0] : at instanceof Error ? at.cause : undefined;
    if (next === undefined || next === null) return at;
    at = next;
  }
  return at;
}

/** The message of the root cause, on one line. */
export function rootCauseText(error: unknown): string {
  const cause = rootCauseOf(error);
  const text = cause instanceof Error ? cause.message || cause.name : String(cause);
  return text.replace(/\s+/g, " ").trim();
}
