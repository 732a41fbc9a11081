import { beforeAll, it } from "vitest";
import { describeEngines } from "../../support/engine/describe-engines.ts";
import { loadLibrary, manualLibrary } from "../../support/engine/test-library.ts";
import { boundsScenarios, smallBounds } from "./bounds-scenarios.ts";
import { entryScenarios } from "./entry-scenarios.ts";
import { recordScenarios } from "./record-scenarios.ts";
import { runScenario, type Scenarios } from "./scenario.ts";
import { tenureScenarios } from "./tenure-scenarios.ts";

function runAll(title: string, library: string, scenarios: Scenarios): void {
  describeEngines(title, (engine) => {
    beforeAll(() => loadLibrary(engine.connection, library));
    it.each(Object.keys(scenarios))("%s", async (name) => {
      await runScenario(scenarios[name], engine.node, engine.connection, library);
    });
  });
}

runAll("tenure", manualLibrary(), tenureScenarios);
runAll("the entries of the library", manualLibrary(), entryScenarios);
runAll("the records of the library", manualLibrary(), recordScenarios);
runAll("the bounds of the library", manualLibrary(smallBounds), boundsScenarios);
