/** Planted bugs are tried in an order that tells soon of most of them. */
import { describe, expect, it } from "vitest";
import type { Mutant } from "./mutants.ts";
import { Trials, type Try } from "./trials.ts";

const edits: Mutant["edits"] = [{ inFunction: "f", find: "a", replace: "b" }];
const bug = (name: string, test?: string): Mutant => ({ name, edits, ...(test && { test }) });
const found = (seed: number | undefined) => ({ by: "check", seed, message: "" });
const spanOf = (one: Try | undefined) => one && `${one.trial.mutant.name} ${one.from}+${one.seeds}`;
const next = (trials: Trials): Try => {
  const one = trials.next();
  if (one === undefined) throw new Error("nothing is left to try");
  return one;
};

describe("The trials of planted bugs", () => {
  it("begin with a few seeds of each, and go on with more of those that got away", () => {
    const trials = new Trials([bug("a"), bug("b"), bug("c", "its test")], 1_000, 300);
    const first = [next(trials), next(trials), next(trials)];
    expect(first.map(spanOf)).toEqual(["a 1000+25", "b 1000+25", "c 1000+0"]);
    const [a, b, c] = first;
    if (a === undefined || b === undefined || c === undefined) throw new Error("there are three");
    expect(trials.done(b, found(1_007), 2)).toBe(true);
    expect(trials.done(c, found(undefined), 3)).toBe(true);
    expect(trials.done(a, undefined, 1)).toBe(false);
    const rest = Array.from({ length: 5 }, () => trials.next());
    expect(rest.map(spanOf)).toEqual(["a 1025+25", "a 1050+50", "a 1100+100", "a 1200+100", undefined]);
  });

  it("share the seeds of one bug among threads, and know its lowest seed once all of them are done", () => {
    const trials = new Trials([bug("a")], 0, 100);
    const [one, two] = [next(trials), next(trials)];
    expect(trials.done(two, found(40), 2)).toBe(false);
    expect(trials.next()).toBeUndefined();
    expect(trials.done(one, found(20), 1)).toBe(true);
    expect(trials.all).toMatchObject([{ caught: { seed: 20 }, seconds: 3 }]);
  });

  it("are more of a bug that says that it needs more seeds", () => {
    const trials = new Trials([bug("a"), { ...bug("b"), seeds: 60 }, { ...bug("c"), seeds: 10 }], 0, 30);
    const all = Array.from({ length: 8 }, () => spanOf(trials.next()));
    expect(all.sort()).toEqual([
      "a 0+25",
      "a 25+5",
      "b 0+25",
      "b 25+25",
      "b 50+10",
      "c 0+25",
      "c 25+5",
      undefined,
    ]);
  });

  it("end with a bug that got away only when all of its seeds are done", () => {
    const trials = new Trials([bug("a"), bug("b", "its test")], 0, 50);
    const [a, b, rest] = [next(trials), next(trials), next(trials)];
    expect(trials.done(a, undefined, 1)).toBe(false);
    expect(trials.done(rest, undefined, 1)).toBe(true);
    expect(trials.done(b, undefined, 1)).toBe(true);
    expect(trials.all.map(({ caught }) => caught)).toEqual([undefined, undefined]);
  });
});
