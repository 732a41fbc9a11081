/**
 * The metrics of worker threads in the main thread: asks each for what it has measured whenever metrics are
 * read, and gives it to the SDK's readers as if it were one thread's.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { emptyResource } from "@opentelemetry/resources";
import { AggregationTemporality, type MetricProducer, type ScopeMetrics } from "@opentelemetry/sdk-metrics";
import type { Clock } from "../../../common/clock.ts";
import { createChanges } from "./changes.ts";
import { mergeScopes } from "./merge.ts";

export interface ThreadMetrics {
  /** The port for a new thread, which `answerMetrics` takes there. */
  connect(thread: number): MessagePort;
  /** One for each reader. */
  producer(temporality: AggregationTemporality): MetricProducer;
}

/** A thread that takes longer is shown as it was when it last answered. */
const ANSWER_MAX_MS = 1_000;

export function createThreadMetrics(clock: Clock): ThreadMetrics {
  const sources: Source[] = [];
  return {
    connect(thread) {
      const { port1, port2 } = new MessageChannel();
      sources.push(createSource(thread, port1, clock));
      return port2;
    },
    producer(temporality) {
      const changes = createChanges();
      return {
        async collect() {
          const late = await Promise.all(sources.map((source) => source.refresh()));
          const totals = mergeScopes(sources.map((source) => source.latest()));
          return {
            resourceMetrics: {
              // Ignored: the reader has its own.
              resource: emptyResource(),
              scopeMetrics: temporality === AggregationTemporality.DELTA ? changes(totals) : totals,
            },
            errors: late.filter((error) => error !== undefined),
          };
        },
      };
    },
  };
}

/** In the thread: answers for as long as it lives. Returns what sends the last answer, unasked. */
export function answerMetrics(
  port: MessagePort,
  collect: () => Promise<readonly ScopeMetrics[]>,
): () => Promise<void> {
  let last: readonly ScopeMetrics[] | undefined;
  const answer = async () => port.postMessage(last ?? (await collect()));
  port.on("message", () => void answer()).unref();
  // Nothing to tell yet, but somebody to ask.
  port.postMessage([]);
  return async () => {
    last = await collect();
    port.postMessage(last);
  };
}

interface Source {
  /** Resolves when there is nothing later to be had; with an error when that took too long to wait for. */
  refresh(): Promise<Error | undefined>;
  latest(): readonly ScopeMetrics[];
}

function createSource(thread: number, port: MessagePort, clock: Clock): Source {
  let latest: readonly ScopeMetrics[] = [];
  /** From the thread's first word to its end: while it starts there is nothing to wait for. */
  let open = false;
  let asked: PromiseWithResolvers<Error | undefined> | undefined;
  const settle = (error?: Error) => {
    asked?.resolve(error);
    asked = undefined;
  };
  port.on("message", (scopes: readonly ScopeMetrics[]) => {
    open = true;
    latest = scopes;
    settle();
  });
  port.on("close", () => {
    open = false;
    settle();
  });
  port.unref();
  return {
    latest: () => latest,
    async refresh() {
      if (!open) return undefined;
      if (asked === undefined) {
        asked = Promise.withResolvers();
        port.postMessage("collect");
      }
      const { promise } = asked;
      const late = Promise.withResolvers<Error>();
      const timer = clock.schedule(ANSWER_MAX_MS, () =>
        late.resolve(new Error(`worker thread ${thread} did not tell its metrics in time`)),
      );
      const outcome = await Promise.race([promise, late.promise]);
      timer.cancel();
      return outcome;
    },
  };
}
