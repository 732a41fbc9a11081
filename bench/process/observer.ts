/** Loaded into a server process before its program: tells the bench what only that process can know. */
import { type GcPauses, watchGc } from "./gc-pauses.ts";
import { answerCalls } from "./worker.ts";

const gc = watchGc();

const handlers = {
  gcPauses: (): Promise<GcPauses> => gc.take(),
};

export type Observer = typeof handlers;

answerCalls(handlers);
// The program under observation decides when it ends, not this channel.
process.channel?.unref();
