/** The trace of the proofs, web07, from the folder that MESHCACHE_TRACES names. */
import { join } from "node:path";
import { readTrace, type Trace } from "../../src/cli/replay/trace.ts";
import { wholeNumber } from "../whole-number.ts";

export interface TracePart {
  readonly trace: Trace;
  /** How many of them are replayed. */
  readonly accesses: number;
}

/** `limit`: the argument of an option, as a number. Undefined: all of it. */
export async function readWeb07(limit: string | undefined): Promise<TracePart> {
  const most = limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber("limit", limit);
  const folder = process.env.MESHCACHE_TRACES;
  if (folder === undefined) throw new Error("MESHCACHE_TRACES must name the folder of web07.trace.gz");
  const trace = await readTrace(join(folder, "web07.trace.gz"), "web");
  return { trace, accesses: Math.min(most, trace.accesses) };
}
