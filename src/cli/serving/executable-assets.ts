/** What the single executable file has in it, by name. */

/** What each thread begins with: executable-start.ts. */
export const START_ASSET = "start.cjs";
/** The bundle of executable.ts: a function that takes `require`. */
export const PROGRAM_ASSET = "program.cjs";
/** What V8 compiled of it. */
export const CODE_CACHE_ASSET = "program.cache";
