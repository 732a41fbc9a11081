/** How many threads the servers of a suite have: what has to hold for one has to hold for several. */

/** Set by the projects of vitest.config.ts. */
export const testWorkers = Number(process.env.MESHCACHE_TEST_WORKERS ?? 1);
