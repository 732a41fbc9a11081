/**
 * What a client without `onEvent` says by itself: that no server can be reached, that two stores answer at one address, that
 * near caches get no events, that invalidations were left at its end, and mistakes that the application can mend.
 */
import {
  type ClientEventFacts,
  subjectOf,
  toReport,
  toSentence,
  type UnkeptReason,
} from "./api/client-events.ts";

/** A load that is not kept for these is a mistake of the application, and goes on until somebody mends it. */
const MISTAKES: ReadonlySet<UnkeptReason> = new Set(["codec", "tooLarge", "options"]);

/** So many warnings a client gives. */
const WARNINGS_MAX = 100;

const ONLY_ONCE = "Said once: `onEvent` of the client tells of each, and stats().events counts them";

export class DefaultWarnings {
  readonly #warn: (message: string) => void;
  readonly #warned = new Set<string>();

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /** Warns at the first event of its kind, namespace and reason. */
  event(facts: ClientEventFacts): void {
    if (!isWarnedOf(facts) || this.#warned.size >= WARNINGS_MAX) return;
    const subject = subjectOf(facts);
    if (this.#warned.has(subject)) return;
    this.#warned.add(subject);
    this.#warn(`${toSentence(toReport(facts, 1).message)} ${ONLY_ONCE}`);
  }
}

function isWarnedOf(facts: ClientEventFacts): boolean {
  return (
    facts.kind === "unavailable" ||
    facts.kind === "twoStores" ||
    facts.kind === "nearCacheDenied" ||
    facts.kind === "nearCachesLeftOut" ||
    facts.kind === "invalidationsLeft" ||
    (facts.kind === "loadUnkept" && MISTAKES.has(facts.reason))
  );
}
