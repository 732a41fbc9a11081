/** One worker thread as the main thread sees it: the orders it gets, its reports, and its end. */
import { type ResourceLimits, type Transferable, Worker } from "node:worker_threads";
import type { Order, Report, ThreadData } from "./messages.ts";

export interface WorkerThread {
  /** Resolves when the thread takes orders. */
  readonly ready: Promise<Report>;
  /**
   * Resolves with the report on the order; rejects when the thread ends before it. Each kind of order is sent once: given
   * again, it has the result of the first.
   */
  order(order: Order): Promise<Report>;
  /** Ends the thread at once. Reports that it has not sent are rejected. */
  terminate(): Promise<void>;
}

/** A worker thread failed to start, or ended although it was not told to. `cause` is the reason as far as it is known. */
export class WorkerCrash extends Error {
  override readonly name = "WorkerCrash";
  readonly thread: number;

  constructor(thread: number, cause: Error) {
    super(`worker thread ${thread} ended: ${cause.message}`, { cause });
    this.thread = thread;
  }
}

/** The code of a thread: a module, or a script in CommonJS where no file has it, as in a single executable file. */
export type ThreadEntry = URL | { readonly script: string };

export interface WorkerThreadOptions {
  readonly entry: ThreadEntry;
  readonly data: ThreadData;
  readonly transfer: readonly Transferable[];
  readonly heap: ResourceLimits | undefined;
  /** Called once when the thread failed to start, or ended although it was not told to. */
  readonly crashed: (crash: WorkerCrash) => void;
}

/** Which order each report is on. A thread reports that it is ready without an order. */
const REPORTS_ON = {
  ready: "ready",
  listening: "listen",
  refused: "listen",
  drained: "drain",
  ended: "end",
} as const satisfies Record<Report["kind"], Order["kind"] | "ready">;

type Subject = (typeof REPORTS_ON)[Report["kind"]];

export function startWorkerThread(options: WorkerThreadOptions): WorkerThread {
  const { entry, data, transfer, heap, crashed } = options;
  const isScript = "script" in entry;
  const worker = new Worker(isScript ? entry.script : entry, {
    eval: isScript,
    workerData: data,
    transferList: [...transfer],
    resourceLimits: heap,
    name: `server ${data.thread}`,
  });
  const reports = new Map<Subject, PromiseWithResolvers<Report>>();
  let ended: Error | undefined;

  const awaitReport = (subject: Subject): Promise<Report> => {
    const report = Promise.withResolvers<Report>();
    // The caller may have stopped waiting by the time that the thread ends.
    report.promise.catch(() => {});
    reports.set(subject, report);
    return report.promise;
  };
  const end = (reason: Error): void => {
    ended = reason;
    for (const { reject } of reports.values()) reject(reason);
  };
  const crash = (cause: Error): void => {
    if (ended !== undefined) return;
    const reason = new WorkerCrash(data.thread, cause);
    end(reason);
    crashed(reason);
  };

  worker.on("message", (report: Report) => reports.get(REPORTS_ON[report.kind])?.resolve(report));
  worker.on("error", (cause) => crash(toError(cause)));
  worker.on("messageerror", (cause) => crash(toError(cause)));
  worker.on("exit", (code) => crash(new Error(`it exited with ${code}`)));
  return {
    ready: awaitReport("ready"),
    order(order) {
      const given = reports.get(order.kind);
      if (given !== undefined) return given.promise;
      if (ended !== undefined) return Promise.reject(ended);
      const report = awaitReport(order.kind);
      worker.postMessage(order);
      return report;
    },
    async terminate() {
      if (ended === undefined) end(new Error(`worker thread ${data.thread} was told to end`));
      await worker.terminate();
    },
  };
}

/** A thread may throw anything, and an error that cannot be cloned arrives as something else. */
function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(`a worker thread threw ${String(cause)}`);
}
