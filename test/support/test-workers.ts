/** How many threads the servers of a suite have. Suites run with one and with several. */

/** Set by the projects in vitest.config.ts. */
export const testWorkers = Number(process.env.MESHCACHE_TEST_WORKERS ?? 1);
