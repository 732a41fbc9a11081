/** The trace of the proofs, web07, from the folder that MESHCACHE_TRACES names. */
import { join } from "node:path";
import { readTrace, type Trace } from "../../src/cli/replay/trace.ts";

export interface TracePart {
  readonly trace: Trace;
  /** How many of them are replayed. */
  readonly accesses: number;
}

/** `limit`: the argument of an option, as a number. Undefined: all of it. */
export async function readWeb07(limit: string | undefined): Promise<TracePart> {
  const folder = process.env.MESHCACHE_TRACES;
  if (folder === undefined) throw new Error("MESHCACHE_TRACES must name the folder of web07.trace.gz");
  const trace = await readTrace(join(folder, "web07.trace.gz"), "web");
  const accesses = limit === undefined ? trace.accesses : Math.min(Number(limit), trace.accesses);
  if (!(accesses >= 1)) throw new Error("--limit must be a whole number of at least 1");
  return { trace, accesses };
}
