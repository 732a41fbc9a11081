/** The events of a run in one total order: a hash that shows whether two runs are equal, and lines for a reader. */

/** A moment: `order` is unique and total, `atMs` is virtual time. */
export interface Moment {
  readonly order: number;
  readonly atMs: number;
}

/** A promise that was broken. */
export interface Violation extends Moment {
  /** The stable name of the check. */
  readonly check: string;
  readonly message: string;
}

export interface History {
  /** Records an event. Its text is built only when it is read. */
  note(actor: string, what: string): Moment;
  violate(check: string, message: string): void;
  readonly violations: readonly Violation[];
  readonly length: number;
  /** The same for the same seed, in every process and on every machine. */
  hash(): string;
  /** The lines around `order`: at most `before` lines before it and `after` lines after it. */
  trace(order: number, before: number, after: number): string[];
}

export function createHistory(nowMs: () => number): History {
  const lines: { readonly atMs: number; readonly actor: string; readonly what: string }[] = [];
  const violations: Violation[] = [];
  // FNV-1a over the characters: it is fast, and no adversary chooses the input.
  let hash = 0x811c9dc5;

  const mix = (text: string): void => {
    for (let index = 0; index < text.length; index += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    }
  };

  const note = (actor: string, what: string): Moment => {
    const moment = { order: lines.length, atMs: nowMs() };
    mix(`${moment.atMs} ${actor} ${what}\n`);
    lines.push({ atMs: moment.atMs, actor, what });
    return moment;
  };

  return {
    note,
    violate(check, message) {
      violations.push({ check, message, ...note("CHECKER", `${check}: ${message}`) });
    },
    violations,
    get length() {
      return lines.length;
    },
    hash: () => (hash >>> 0).toString(16).padStart(8, "0"),
    trace: (order, before, after) =>
      lines
        .slice(Math.max(0, order - before), order + after)
        .map((line) => `${String(line.atMs).padStart(7)} ms  ${line.actor.padEnd(10)} ${line.what}`),
  };
}
