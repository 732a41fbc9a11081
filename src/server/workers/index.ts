/**
 * Several servers in one process: worker threads that listen on one port over one store. The main thread
 * starts them, tells them to drain and ends them; it serves no calls.
 */
import { extname } from "node:path";
import type { MessagePort, ResourceLimits, Transferable } from "node:worker_threads";
import { createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { systemRng } from "../../common/random.ts";
import { type Limits, resolveLimits } from "../../rpc/limits.ts";
import type { StoreMessage } from "../../store/api/threads.ts";
import { attachStore, createStoreMemory, type StoreOptions } from "../../store/engine/create-store.ts";
import { createNoTelemetry } from "../../telemetry/no-telemetry.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { Acceleration } from "../connections/accelerator.ts";
import { resolveTransportLimits, type TransportLimits } from "../limits/transport-limits.ts";
import { parseListenAddress } from "../listen-address.ts";
import type { CacheServer } from "../server.ts";
import { within } from "../shutdown.ts";
import { assertPortFree } from "./free-port.ts";
import type { Report } from "./messages.ts";
import { attachBounds, createBoundsMemory } from "./shared-bounds.ts";
import { connectThreads, WORKERS_MAX } from "./thread-ports.ts";
import { startWorkerThread, type WorkerCrash, type WorkerThread } from "./worker-thread.ts";

export { WorkerCrash } from "./worker-thread.ts";

export interface ServerThreadsOptions {
  /** 1 to 256. */
  readonly workers: number;
  /** As of a server that is alone. */
  readonly listen?: string;
  readonly limits?: Partial<Limits>;
  readonly transport?: Partial<TransportLimits>;
  readonly acceleration?: Acceleration;
  readonly store?: Partial<Omit<StoreOptions, "clock" | "rng">>;
  /** Observes what the process has once. */
  readonly telemetry?: Telemetry;
  /** The module that a worker runs, which is to call `runServerThread`. Default: one without telemetry. */
  readonly entry?: URL;
  /** What that module needs for itself. */
  readonly extraFor?: (thread: number) => ThreadExtra;
  /** Of each worker's heap. Default: as of the process's, flags of V8 included. */
  readonly heap?: ResourceLimits;
}

export interface ThreadExtra {
  /** As structured clone takes it. */
  readonly value: unknown;
  readonly transfer: readonly Transferable[];
}

export interface ServerThreads extends CacheServer {
  /**
   * Resolves when a worker has ended that nobody told to, or could not begin. All others are
   * ended by then: one of them may have left shared memory as no other can go on with.
   */
  readonly crashed: Promise<WorkerCrash>;
}

/** Ways out of a thread that does not answer any more. */
const DRAIN_GRACE_MS = 1_000;
const END_MAX_MS = 5_000;

/** Throws as `createServer` does, or a RangeError for `workers`. */
export function createServerThreads(options: ServerThreadsOptions): ServerThreads {
  const { workers } = options;
  if (!Number.isInteger(workers) || workers < 1 || workers > WORKERS_MAX) {
    throw new RangeError(`workers must be a whole number from 1 to ${WORKERS_MAX}`);
  }
  const clock = systemClock;
  const telemetry = options.telemetry ?? createNoTelemetry();
  const limits = resolveLimits(options.limits);
  const transport = resolveTransportLimits(options.transport);
  const { host, port, join } = parseListenAddress(options.listen ?? "127.0.0.1:50051");

  const ports = connectThreads(workers + 1);
  const memory = createStoreMemory(options.store ?? {}, workers + 1);
  const boundsMemory = createBoundsMemory(workers);
  // The main thread is one more beside the workers.
  const peers = ports[workers] ?? [];
  const store = attachStore(memory, {
    clock,
    rng: systemRng,
    threads: { self: workers, count: workers + 1, send: (to, message) => peers[to]?.postMessage(message) },
  });
  const { guard } = createBoundary((error) => {
    telemetry.logger.error({ err: error }, "a message of another thread was not taken");
  });
  const receive = guard(undefined, (message: StoreMessage) => store.receive(message));
  for (const peer of peers) {
    peer?.on("message", receive).unref();
  }

  const startedMs = clock.nowMs();
  const crash = Promise.withResolvers<WorkerCrash>();
  let threads: readonly WorkerThread[] = [];
  let address: string | undefined;
  let unobserve = () => {};
  let drained: Promise<void> | undefined;
  let closed: Promise<void> | undefined;

  const terminate = async (): Promise<void> => {
    unobserve();
    for (const peer of peers) peer?.close();
    await Promise.all(threads.map((thread) => thread.terminate()));
  };
  const startThread = (thread: number): WorkerThread => {
    const extra = options.extraFor?.(thread);
    const own = ports[thread] ?? [];
    return startWorkerThread({
      entry: options.entry ?? plainEntry(),
      heap: options.heap,
      data: {
        thread,
        store: memory,
        peers: own,
        bounds: boundsMemory,
        limits,
        transport,
        acceleration: options.acceleration ?? "on",
        startedMs,
        extra: extra?.value,
      },
      transfer: [...own.filter(isPort), ...(extra?.transfer ?? [])],
      crashed(why) {
        void terminate();
        crash.resolve(why);
      },
    });
  };
  const listen = async (): Promise<string> => {
    await Promise.all(threads.map((thread) => thread.ready));
    // With port 0 the first finds out which port it is.
    let found = join(port);
    for (const thread of threads) found = addressOf(await thread.order({ kind: "listen", listen: found }));
    return found;
  };
  const end = async (): Promise<void> => {
    const ended = Promise.allSettled(threads.map((thread) => thread.order({ kind: "end" })));
    await within(clock, END_MAX_MS, ended);
    await terminate();
  };
  const close = (): Promise<void> => {
    closed ??= end();
    return closed;
  };

  return {
    store,
    crashed: crash.promise,
    get address() {
      if (address === undefined) throw new Error("the server has not started");
      return address;
    },
    async start() {
      try {
        await assertPortFree(host, port);
        threads = Array.from({ length: workers }, (_, thread) => startThread(thread));
        address = await listen();
      } catch (error) {
        await terminate();
        throw error;
      }
      const bounds = attachBounds(boundsMemory, workers, transport);
      unobserve = telemetry.observeProcess(store, {
        subscribers: () => bounds.subscribers.taken,
        connections: () => bounds.connections.taken,
      });
      return address;
    },
    drain() {
      const all = () => Promise.allSettled(threads.map((thread) => thread.order({ kind: "drain" })));
      drained ??= within(clock, transport.drainMaxMs + DRAIN_GRACE_MS, all()).then(close);
      return drained;
    },
    close,
  };
}

/** Beside this module, in the sources as in what is built of them. */
function plainEntry(): URL {
  return new URL(`./plain-thread${extname(import.meta.url)}`, import.meta.url);
}

function isPort(port: MessagePort | undefined): port is MessagePort {
  return port !== undefined;
}

function addressOf(report: Report): string {
  if (report.kind === "listening") return report.address;
  if (report.kind === "refused") throw Object.assign(new Error(report.message), { code: report.code });
  throw new Error(`a worker thread answered ${report.kind} when told to listen`);
}
