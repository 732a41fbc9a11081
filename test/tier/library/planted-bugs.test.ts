/** Whoever weakens the library is told: every bug of the list makes the test fail that is to find it. */
import { expect, it } from "vitest";
import { joinLibrary } from "../../../src/tier/library/source.ts";
import { describeEngines } from "../../support/engine/describe-engines.ts";
import { loadLibrary, manualLibrary } from "../../support/engine/test-library.ts";
import { boundsScenarios, smallBounds } from "./bounds-scenarios.ts";
import { entryScenarios } from "./entry-scenarios.ts";
import { type PlantedBug, plantedBugs } from "./planted-bugs.ts";
import { compareRandomly } from "./random-runs.ts";
import { recordScenarios } from "./record-scenarios.ts";
import { runScenario } from "./scenario.ts";
import { tenureScenarios } from "./tenure-scenarios.ts";

const SEED = 1;
const RUNS_MAX = 60;
const COMMANDS = 200;
const scenarios = { ...tenureScenarios, ...entryScenarios, ...recordScenarios, ...boundsScenarios };

function withBug({ part, from, to, foundBy }: PlantedBug): string {
  const isBound = foundBy !== undefined && foundBy in boundsScenarios;
  return manualLibrary((text, one) => {
    const changed = one === part ? text.replace(from, () => to) : text;
    return isBound ? smallBounds(changed, one) : changed;
  });
}

it("every planted bug is in the place that it names, once", () => {
  for (const [name, { part, from }] of Object.entries(plantedBugs)) {
    joinLibrary((text, one) => {
      if (one === part) expect(text.split(from), name).toHaveLength(2);
      return text;
    });
  }
});

describeEngines("a library with a bug", (engine) => {
  it.each(Object.entries(plantedBugs))("is found: %s", async (_, bug) => {
    const { connection, node } = engine;
    const library = withBug(bug);
    await loadLibrary(connection, library);
    const found =
      bug.foundBy === undefined
        ? compareRandomly(connection, { runs: RUNS_MAX, commandsPerRun: COMMANDS, seed: SEED, shrink: false })
        : runScenario(scenarios[bug.foundBy], node, connection, library);
    // Not for the lack of a scenario, and not because the library breaks down.
    await expect(found).rejects.toThrow(/^(?!there is no such scenario|ERR)/);
  });
});
