/** How `meshcache` starts its Node, by the first line of src/cli/main.ts. */
export const serverNodeArgs: readonly string[] = [
  "--max-semi-space-size=16",
  "--no-allocation-site-pretenuring",
  "--no-parallel-scavenge",
  "--no-memory-reducer",
];
