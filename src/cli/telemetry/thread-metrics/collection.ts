/**
 * Collects the metrics of worker threads in the main thread: asks each thread when metrics are read, and gives the
 * merged metrics to the readers of the SDK.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { emptyResource } from "@opentelemetry/resources";
import { AggregationTemporality, type MetricProducer, type ScopeMetrics } from "@opentelemetry/sdk-metrics";
import type { Clock } from "../../../common/clock.ts";
import { createDeltas } from "./deltas.ts";
import { mergeScopes } from "./merge.ts";

export interface ThreadMetrics {
  /** Returns the port for a new thread, which must pass it to `answerMetrics`. */
  connect(thread: number): MessagePort;
  /** A producer for one reader. */
  producer(temporality: AggregationTemporality): MetricProducer;
}

/** What a thread answers instead of its metrics. */
const NOT_COLLECTED = undefined;
/** If a thread takes longer, its last metrics are used. */
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
      const toDeltas = createDeltas();
      return {
        async collect() {
          const late = await Promise.all(sources.map((source) => source.refresh()));
          const totals = mergeScopes(sources.map((source) => source.latest()));
          return {
            resourceMetrics: {
              // Readers ignore it and use their own.
              resource: emptyResource(),
              scopeMetrics: temporality === AggregationTemporality.DELTA ? toDeltas(totals) : totals,
            },
            errors: late.filter((error) => error !== undefined),
          };
        },
      };
    },
  };
}

/**
 * In the worker thread: answers requests for metrics. Returns a function that sends the last metrics unasked, and never
 * rejects. When metrics cannot be collected, `failed` is given the error, and the main thread is told: it uses the metrics
 * from before.
 */
export function answerMetrics(
  port: MessagePort,
  collect: () => Promise<readonly ScopeMetrics[]>,
  failed: (error: unknown) => void,
): () => Promise<void> {
  let last: readonly ScopeMetrics[] | undefined;
  const answer = async () => {
    try {
      port.postMessage(last ?? (await collect()));
    } catch (error) {
      failed(error);
      port.postMessage(NOT_COLLECTED);
    }
  };
  port.on("message", () => void answer()).unref();
  // Tells the main thread that this one answers.
  port.postMessage([]);
  return async () => {
    try {
      last = await collect();
    } catch (error) {
      failed(error);
      return;
    }
    await answer();
  };
}

interface Source {
  /** Asks for the current metrics. Resolves when they have arrived, or with an error when that takes too long. */
  refresh(): Promise<Error | undefined>;
  latest(): readonly ScopeMetrics[];
}

function createSource(thread: number, port: MessagePort, clock: Clock): Source {
  let latest: readonly ScopeMetrics[] = [];
  /** The thread answers: from its first message to its end. */
  let open = false;
  let asked: PromiseWithResolvers<Error | undefined> | undefined;
  const settle = (error?: Error) => {
    asked?.resolve(error);
    asked = undefined;
  };
  port.on("message", (scopes: readonly ScopeMetrics[] | typeof NOT_COLLECTED) => {
    open = true;
    if (scopes !== NOT_COLLECTED) latest = scopes;
    settle(
      scopes === NOT_COLLECTED
        ? new Error(`worker thread ${thread} could not collect its metrics`)
        : undefined,
    );
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
        late.resolve(new Error(`worker thread ${thread} did not send its metrics in time`)),
      );
      const outcome = await Promise.race([promise, late.promise]);
      timer.cancel();
      return outcome;
    },
  };
}
