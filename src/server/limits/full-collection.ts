/** A full garbage collection, which V8 offers to programs that were started with a flag, and to new contexts behind one. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

interface Options {
  readonly type: "major";
  /** Collects again until nothing more is freed, and gives the emptied pages back. */
  readonly flavor: "last-resort";
}

let gc: ((options?: Options) => void) | undefined;

/** Stops its thread for some tens of milliseconds, with `options` for a tenth of a second or two. */
export function collectFully(options?: Options): void {
  if (gc === undefined) {
    setFlagsFromString("--expose-gc");
    gc = runInNewContext("gc") as (options?: Options) => void;
  }
  // With an argument that is undefined V8 collects the young generation alone.
  if (options === undefined) gc();
  else gc(options);
}
