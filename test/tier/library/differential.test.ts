/** The embedded shard is the oracle: whatever it answers to random commands, the library on a real engine answers too. */
import { beforeAll, expect, it } from "vitest";
import { describeEngines } from "../../support/engine/describe-engines.ts";
import { loadLibrary, manualLibrary } from "../../support/engine/test-library.ts";
import { compareRandomly } from "./random-runs.ts";

const RUNS = Number(process.env.TIER_RUNS ?? 40);
const COMMANDS = 200;

const OUTCOMES = [
  ...["get hit", "get stale hit", "get miss", "get notModified"],
  ...["native 0", "native 1", "native 2", "native 3", "native ask"],
  ...[
    "set stored always",
    "set stored lease",
    "set stored ifAbsent",
    "set stored ifPresent",
    "set stored ifVersion",
  ],
  ...["set exists", "set absent", "set versionMismatch", "set leaseLost", "set olderSourceVersion"],
  ...[
    "set answered again",
    "incremented",
    "increment exists",
    "increment absent",
    "increment versionMismatch",
  ],
  ...[
    "increment notACounter",
    "increment overflow",
    "touched true",
    "touched false",
    "removed 0",
    "removed 1",
  ],
  ...["lease hit", "lease granted", "lease held", "released true", "released false"],
  ...["event set key", "event touched key", "event invalidated key", "event staled key"],
  ...["event invalidated tag", "event staled tag", "event invalidated prefix", "event staled prefix"],
  ...["event invalidated all", "event staled all"],
];

describeEngines("the library", (engine) => {
  beforeAll(() => loadLibrary(engine.connection, manualLibrary()));

  it(`answers ${RUNS} runs of ${COMMANDS} random commands as the embedded shard does`, async () => {
    const { FC_SEED } = process.env;
    const seed = FC_SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(FC_SEED);
    const runs = FC_SEED === undefined ? RUNS : 1;
    const seen = await compareRandomly(engine.connection, { runs, commandsPerRun: COMMANDS, seed });
    // What was never asked was not answered.
    if (runs > 1) for (const outcome of OUTCOMES) expect(seen.get(outcome) ?? 0, outcome).toBeGreaterThan(0);
  }, 600_000);
});
