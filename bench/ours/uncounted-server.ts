/** The sources of a server that counts nothing by namespace, nor for the list of clients: what these counters cost is measured beside it. */
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Edit, plantAll, readModules } from "../../test/simulation/planting.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** What is left out. */
export const UNCOUNTED: readonly Edit[] = [
  { inFunction: "Shard.#count", find: "this.#namespaces.add(record, counter);", replace: "void record;" },
  {
    inFunction: "ShardEntries.#recordRemoval",
    find: "this.#namespaces.add(entry.record, reason);",
    replace: "void reason;",
  },
  { inFunction: "ConnectionMemory.countOperations", find: "this.operations += count;", replace: "" },
  { inFunction: "ConnectionMemory.countOperations", find: "this.#account.operations += count;", replace: "" },
];

export interface UncountedSources extends Disposable {
  /** The program of the server. */
  readonly program: URL;
}

/** A copy of the sources of this commit, with the edits made. Throws when a place is not found. */
export function makeUncountedSources(): UncountedSources {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-uncounted-"));
  for (const part of ["src", "gen", "proto", "package.json"]) {
    cpSync(join(repository, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  const modules = readModules(folder);
  for (const module of plantAll(modules, UNCOUNTED)) {
    if (!modules.includes(module)) writeFileSync(join(folder, module.path), module.text);
  }
  return {
    program: pathToFileURL(join(folder, "src/cli/main.ts")),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
