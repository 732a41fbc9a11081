/** Loaded into a server process before its program: tells the bench what only that process can know. */
import { watchGc } from "./gc-pauses.ts";
import { answerCalls } from "./worker.ts";

let endWatch: (() => number) | undefined;

const handlers = {
  async watchGc(): Promise<void> {
    endWatch?.();
    endWatch = watchGc();
  },

  /** Of the collections since `watchGc`. */
  async longestGcPauseMs(): Promise<number> {
    if (endWatch === undefined) throw new Error("nobody watches");
    const longestMs = endWatch();
    endWatch = undefined;
    return longestMs;
  },
};

export type Observer = typeof handlers;

answerCalls(handlers);
// The program under observation decides when it ends, not this channel.
process.channel?.unref();
