/** What a tier of several servers cannot do, or what says nothing about one: each with its reason. */

const VIRTUAL =
  "in virtual time, over a store of its process: the simulation of the tier has these scenarios";
const SCRIPTED = "against answers that a script gives: there is no server";
const COUNTS =
  "counts the operations of the server that is asked, which is another one at each call: the contract of a tier asks one";

/** Whole files. */
const FILES: Readonly<Record<string, string>> = {
  "test/coherence/clean-restarts.test.ts": VIRTUAL,
  "test/coherence/clocks.test.ts": VIRTUAL,
  "test/coherence/fill-rule.test.ts": SCRIPTED,
  "test/coherence/handover.test.ts": SCRIPTED,
  "test/coherence/hit-rule.test.ts": VIRTUAL,
  "test/coherence/lease-holders.test.ts": VIRTUAL,
  "test/coherence/loads.test.ts": VIRTUAL,
  "test/coherence/outage-copies.test.ts": VIRTUAL,
  "test/coherence/own-writes.test.ts": SCRIPTED,
  "test/coherence/queued-invalidations.test.ts": VIRTUAL,
  "test/coherence/replaced-stream.test.ts": SCRIPTED,
  "test/coherence/resuming-stream.test.ts": VIRTUAL,
  "test/coherence/scenarios.test.ts": "about the titles of tests",
  "test/coherence/two-stores.test.ts": "about two stores, and a tier is one",
};

/** Tests, by the beginning of the title of one, or of a suite that it is in. */
export const leftOutTests: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "test/contract/grpc.test.ts": { "counts what happened": COUNTS },
  "test/contract/buf-curl.test.ts": { "counts what happened": COUNTS },
  "test/server/streams/event-stream.test.ts": {
    "a stream that is cut after any event":
      "cuts after each event of three shards: an invalidation of a tag is an event in each of a tier's 64",
    "gets one Gap and uses bounded memory":
      "publishes into the store of its process, and does not wait for an engine",
    "openStream()": "with a clock and a store of the test, and without a server",
  },
  "test/server/streams/exchange.test.ts": {
    "makes the server poll for the next batch": "counts the turns of a clock of the test",
  },
  "test/client/silence.test.ts": {
    "is found by": SCRIPTED,
    "is not suspected of an answer": SCRIPTED,
  },
};

export const leftOutFiles: readonly string[] = Object.keys(FILES);

/** `titles`: of a test and of the suites around it. Undefined: it is to run. */
export function reasonToLeaveOut(file: string, titles: readonly string[]): string | undefined {
  const entries = Object.entries(leftOutTests[file] ?? {});
  return entries.find(([begin]) => titles.some((title) => title.startsWith(begin)))?.[1];
}
