/** What the bench leaves out to measure the cost of counters still has its one place in the code. */
import { expect, it } from "vitest";
import { UNCOUNTED } from "../../bench/ours/uncounted-server.ts";
import { functionsOf } from "../support/parsed-source.ts";
import { plantAll, readModules } from "./planting.ts";

it("the server without counters differs from the real one where it counts, and is TypeScript", () => {
  const modules = readModules();
  const changed = plantAll(modules, UNCOUNTED).filter((module) => !modules.includes(module));
  expect(changed.map(({ path }) => path).sort()).toEqual([
    "src/server/limits/connection-memory.ts",
    "src/store/engine/entries.ts",
    "src/store/engine/shard.ts",
  ]);
  for (const { text } of changed) expect(functionsOf(text)).not.toEqual([]);
});
