/** One worker thread as the main thread sees it: its orders and their answers, and its death. */
import { type ResourceLimits, type Transferable, Worker } from "node:worker_threads";
import type { Order, Report, ThreadData } from "./messages.ts";

export interface WorkerThread {
  /** Resolves when it can take orders. */
  readonly ready: Promise<Report>;
  /** Resolves with the answer. */
  order(order: Order): Promise<Report>;
  /** Ends it now, whatever it does. What it still owes is rejected. */
  terminate(): Promise<void>;
}

/** A worker thread ended that nobody had told to, or could not begin. Its cause says why, as far as that is known. */
export class WorkerCrash extends Error {
  override readonly name = "WorkerCrash";
  readonly thread: number;

  constructor(thread: number, cause: Error) {
    super(`worker thread ${thread} ended: ${cause.message}`, { cause });
    this.thread = thread;
  }
}

export interface WorkerThreadOptions {
  readonly entry: URL;
  readonly data: ThreadData;
  readonly transfer: readonly Transferable[];
  readonly heap: ResourceLimits | undefined;
  /** Once, when it ended without having been told to, or could not begin. */
  readonly crashed: (crash: WorkerCrash) => void;
}

/** What each report answers. */
const ANSWERS = {
  ready: "birth",
  listening: "listen",
  refused: "listen",
  drained: "drain",
  ended: "end",
} as const satisfies Record<Report["kind"], Order["kind"] | "birth">;

type Question = (typeof ANSWERS)[Report["kind"]];

export function startWorkerThread(options: WorkerThreadOptions): WorkerThread {
  const { entry, data, transfer, heap, crashed } = options;
  const worker = new Worker(entry, {
    workerData: data,
    transferList: [...transfer],
    resourceLimits: heap,
    name: `server ${data.thread}`,
  });
  const unanswered = new Map<Question, PromiseWithResolvers<Report>>();
  let end: Error | undefined;

  const ask = (question: Question): Promise<Report> => {
    if (end !== undefined) return Promise.reject(end);
    const answer = Promise.withResolvers<Report>();
    // Whoever asks may have stopped waiting by the time that the thread dies.
    answer.promise.catch(() => {});
    unanswered.set(question, answer);
    return answer.promise;
  };
  const die = (why: Error): void => {
    end = why;
    for (const { reject } of unanswered.values()) reject(why);
  };
  const crash = (cause: Error): void => {
    if (end !== undefined) return;
    const why = new WorkerCrash(data.thread, cause);
    die(why);
    crashed(why);
  };

  worker.on("message", (report: Report) => unanswered.get(ANSWERS[report.kind])?.resolve(report));
  worker.on("error", (cause) => crash(toError(cause)));
  worker.on("messageerror", (cause) => crash(toError(cause)));
  worker.on("exit", (code) => crash(new Error(`it exited with ${code}`)));
  return {
    ready: ask("birth"),
    order(order) {
      const answer = ask(order.kind);
      worker.postMessage(order);
      return answer;
    },
    async terminate() {
      if (end === undefined) die(new Error(`worker thread ${data.thread} was told to end`));
      await worker.terminate();
    },
  };
}

/** A thread may throw anything, and what cannot be cloned arrives as something else. */
function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(`a worker thread threw ${String(cause)}`);
}
