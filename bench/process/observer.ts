/** Loaded into a server process before its program: tells the bench what only that process can know. */
import { watchGc } from "./gc-pauses.ts";
import { answerCalls } from "./worker.ts";

let endWatch = (): number => 0;

const handlers = {
  async watchGc(): Promise<void> {
    endWatch();
    endWatch = watchGc();
  },

  /** Of the collections since `watchGc`. */
  async longestGcPauseMs(): Promise<number> {
    const longestMs = endWatch();
    endWatch = () => 0;
    return longestMs;
  },
};

export type Observer = typeof handlers;

answerCalls(handlers);
// The program under observation decides when it ends, not this channel.
process.channel?.unref();
