/**
 * The order in which planted bugs are tried: a few seeds of each first, and more of those that got away. So what is caught
 * soon is known soon, and in the end all threads share the seeds of the few bugs that are left.
 */
import type { Mutant } from "./mutants.ts";

/** The seeds of a first try. Each further one has as many as all before it, but not more than the last. */
const FIRST_SEEDS = 25;
const SEEDS_MAX = 200;

/** What caught a bug. */
export interface Catch {
  /** The check of the simulation, or the file of the test. */
  readonly by: string;
  /** Undefined: a test caught it. */
  readonly seed: number | undefined;
  readonly message: string;
}

/** A piece of work with a bug. */
export interface Try {
  readonly trial: Trial;
  readonly from: number;
  /** 0: runs the test that the bug names. */
  readonly seeds: number;
}

export class Trial {
  readonly mutant: Mutant;
  /** To try. */
  readonly seeds: number;
  caught: Catch | undefined;
  /** Of all threads together. */
  seconds = 0;
  /** Of the seeds to try, so many are tried or being tried. */
  begun = 0;
  underWay = 0;

  constructor(mutant: Mutant, seeds: number) {
    this.mutant = mutant;
    this.seeds = Math.max(seeds, mutant.seeds ?? 0);
  }
}

export class Trials {
  readonly all: readonly Trial[];
  readonly #from: number;

  constructor(mutants: readonly Mutant[], from: number, seeds: number) {
    this.all = mutants.map((mutant) => new Trial(mutant, seeds));
    this.#from = from;
  }

  /** What to do next. Undefined: all is done, or being done. */
  next(): Try | undefined {
    const open = this.all.filter((trial) => trial.caught === undefined && trial.begun < trial.seeds);
    const [first, ...others] = open;
    if (first === undefined) return undefined;
    const trial = others.reduce((least, one) => (one.begun < least.begun ? one : least), first);
    const from = this.#from + trial.begun;
    const left = trial.seeds - trial.begun;
    const hasTest = trial.mutant.test !== undefined;
    const seeds = hasTest ? 0 : Math.min(left, Math.max(FIRST_SEEDS, Math.min(trial.begun, SEEDS_MAX)));
    trial.begun += hasTest ? left : seeds;
    trial.underWay += 1;
    return { trial, from, seeds };
  }

  /** True: the last of the bug is done, so that it is known whether it was caught. */
  done({ trial }: Try, caught: Catch | undefined, seconds: number): boolean {
    trial.underWay -= 1;
    trial.seconds += seconds;
    if (caught !== undefined && (caught.seed ?? 0) < (trial.caught?.seed ?? Number.POSITIVE_INFINITY)) {
      trial.caught = caught;
    }
    return trial.underWay === 0 && (trial.caught !== undefined || trial.begun >= trial.seeds);
  }
}
