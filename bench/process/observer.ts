/** Loaded into a server process before its program. It reports to the bench what only that process can measure. */
import { watchGc } from "./gc-pauses.ts";
import { answerCalls } from "./worker.ts";

let endWatch: (() => number) | undefined;

const handlers = {
  async watchGc(): Promise<void> {
    endWatch?.();
    endWatch = watchGc();
  },

  /** The longest pause since `watchGc`. */
  async longestGcPauseMs(): Promise<number> {
    if (endWatch === undefined) throw new Error("watchGc was not called");
    const longestMs = endWatch();
    endWatch = undefined;
    return longestMs;
  },
};

export type Observer = typeof handlers;

answerCalls(handlers);
// This channel must not keep the program alive.
process.channel?.unref();
