/**
 * Counts what happens to a client, and reports it: to `onEvent`, with repeated events folded, or as a few warnings of the
 * process where there is no `onEvent`. Whatever the hook does, the client goes on.
 */
import { createBoundary } from "../common/boundary.ts";
import type { Clock, Timer } from "../common/clock.ts";
import {
  type ClientEvent,
  type ClientEventFacts,
  createEventCounts,
  subjectOf,
  toReport,
} from "./api/client-events.ts";
import { DefaultWarnings } from "./default-warnings.ts";
import { queueMicrotask, warnOfFault } from "./process-defaults.ts";

/** Repeated events are reported together so long after the first. */
export const FOLD_MS = 10_000;
/** So many subjects (a kind with its namespace, address or reason) are reported within that time; others are counted. */
export const SUBJECTS_MAX = 256;

interface Fold {
  /** The last event of the subject that is not reported yet, and how many there are. */
  last: ClientEventFacts;
  count: number;
  timer: Timer | undefined;
}

export interface EventReporterDeps {
  readonly clock: Clock;
  /** Undefined: the process is warned instead. */
  readonly onEvent: ((event: ClientEvent) => unknown) | undefined;
  /** Warns the process. */
  readonly warn: (message: string) => void;
}

export class EventReporter {
  readonly counts = createEventCounts();
  readonly #clock: Clock;
  readonly #onEvent: EventReporterDeps["onEvent"];
  readonly #warnings: DefaultWarnings;
  /** What the hook throws is not reported to the hook. */
  readonly #boundary = createBoundary(warnOfFault);
  readonly #folds = new Map<string, Fold>();
  #closed = false;

  constructor({ clock, onEvent, warn }: EventReporterDeps) {
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.#warnings = new DefaultWarnings(warn);
  }

  /** How often the hook has failed. */
  get hookFaults(): number {
    return this.#boundary.faults;
  }

  /** Counts and reports an event. Never throws, and calls the hook later, so that the hook may call the client. */
  readonly report = (facts: ClientEventFacts): void => {
    this.counts[facts.kind] += 1;
    if (this.#closed) return;
    if (this.#onEvent === undefined) this.#warnings.event(facts);
    else this.#fold(facts);
  };

  /** Reports what is folded, and nothing after it. */
  close(): void {
    this.#closed = true;
    for (const fold of this.#folds.values()) {
      fold.timer?.cancel();
      if (fold.count > 0) this.#deliver(fold.last, fold.count);
    }
    this.#folds.clear();
  }

  #fold(facts: ClientEventFacts): void {
    const subject = subjectOf(facts);
    const fold = this.#folds.get(subject);
    if (fold !== undefined) {
      fold.last = facts;
      fold.count += 1;
    } else if (this.#folds.size < SUBJECTS_MAX || isOfReports(facts)) {
      this.#begin(subject, facts);
    } else this.report({ kind: "overflow", reason: "reports", namespace: "" });
  }

  #begin(subject: string, facts: ClientEventFacts): void {
    const fold: Fold = { last: facts, count: 0, timer: undefined };
    const end = () => {
      if (fold.count === 0) this.#folds.delete(subject);
      else {
        this.#deliver(fold.last, fold.count);
        fold.count = 0;
        fold.timer = this.#clock.schedule(FOLD_MS, end);
      }
    };
    fold.timer = this.#clock.schedule(FOLD_MS, end);
    this.#folds.set(subject, fold);
    this.#deliver(facts, 1);
  }

  #deliver(facts: ClientEventFacts, count: number): void {
    const report = toReport(facts, count);
    queueMicrotask(this.#boundary.guard(undefined, () => this.#call(report)));
  }

  #call(report: ClientEvent): void {
    const returned = this.#onEvent?.(report);
    if (typeof returned !== "object" || returned === null || !("then" in returned)) return;
    // An async hook: its rejection would end the process.
    Promise.resolve(returned).catch((error: unknown) => this.#boundary.caught(undefined, error));
  }
}

const isOfReports = (facts: ClientEventFacts): boolean =>
  facts.kind === "overflow" && facts.reason === "reports";
