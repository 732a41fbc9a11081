/**
 * Several servers in one process: worker threads that listen on one port over one store. The main thread starts them, tells
 * them to drain and ends them. It serves no calls.
 */
import { randomUUID } from "node:crypto";
import { extname } from "node:path";
import type { MessagePort, ResourceLimits, Transferable } from "node:worker_threads";
import { pickWithin } from "../../common/bound.ts";
import { systemClock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import {
  DEFAULT_ADDRESS,
  type HostPort,
  LISTEN_ADDRESS_FORM,
  parseListenAddress,
  toHostPort,
} from "../../common/host-port.ts";
import { type Limits, resolveLimits } from "../../rpc/limits.ts";
import { openSecurity, type SecurityMemory, type SecurityOptions } from "../../security/security.ts";
import type { SnapshotOutcome } from "../../store/api/snapshot-outcome.ts";
import { createStoreMemory, type StoreMemory, type StoreOptions } from "../../store/engine/create-store.ts";
import { createNoTelemetry } from "../../telemetry/no-telemetry.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { Acceleration } from "../connections/accelerator.ts";
import { asHttpPortError, type HttpPortOptions } from "../http-port.ts";
import {
  checkRequestRoom,
  resolveTransportLimits,
  type TransportLimits,
} from "../limits/transport-limits.ts";
import type { CacheServer } from "../server.ts";
import type { OperatorView } from "../service-host.ts";
import { NO_FACTS, type ServerFacts } from "../services/admin-service.ts";
import type { Inquiry } from "../services/inquiry.ts";
import { waitUpTo } from "../shutdown.ts";
import { assertPortFree } from "./free-port.ts";
import { type InquiryChannel, openInquiryChannel } from "./inquiry-channel.ts";
import type { Order, Report } from "./messages.ts";
import { attachBounds, createBoundsMemory } from "./shared-bounds.ts";
import { connectThreads, type PeerPorts, WORKERS_BOUND } from "./thread-ports.ts";
import { attachThreadStore } from "./thread-store.ts";
import { startWorkerThread, type ThreadEntry, type WorkerCrash, type WorkerThread } from "./worker-thread.ts";

export { type ThreadEntry, WorkerCrash } from "./worker-thread.ts";

export interface ServerThreadsOptions {
  /** 1 to 256. */
  readonly workers: number;
  /** As of a single server. */
  readonly listen?: string;
  readonly limits?: Partial<Limits>;
  readonly transport?: Partial<TransportLimits>;
  readonly acceleration?: Acceleration;
  readonly http?: HttpPortOptions;
  readonly security?: SecurityOptions;
  readonly store?: Partial<Omit<StoreOptions, "clock" | "rng">>;
  /** Makes the memory of the store for so many threads, with what is in a snapshot. Default: empty memory by `store`. */
  readonly startStore?: (threads: number) => StartedMemory;
  /** Observes what the process has once. Default: none. */
  readonly telemetry?: Telemetry;
  /** What AdminService says of how the server was started. Default: nothing. */
  readonly facts?: ServerFacts;
  /** The code of a worker, which calls `runServerThread`. Default: one without telemetry. */
  readonly entry?: ThreadEntry;
  /** What the entry module of this thread needs for itself. */
  readonly extraFor?: (thread: number) => ThreadExtra;
  /** The heap of each worker. Default: as the process, including its V8 flags. */
  readonly heap?: ResourceLimits;
}

export interface StartedMemory {
  readonly memory: StoreMemory;
  readonly outcome: SnapshotOutcome | undefined;
}

export interface ThreadExtra {
  /** Passed by structured clone. */
  readonly value: unknown;
  readonly transfer: readonly Transferable[];
}

export interface ServerThreads extends CacheServer {
  /**
   * Resolves when a worker failed to start, or ended although it was not told to. Then all others are being ended too: the
   * shared memory may be in a state that no other thread can use.
   */
  readonly crashed: Promise<WorkerCrash>;
}

/** A thread that does not answer is given up after its drain and this long. */
const DRAIN_GRACE_MS = 1_000;
/** The same for its end. */
const END_MAX_MS = 5_000;

/** Throws as `createCacheServer` does, and a RangeError for `workers`. */
export function createServerThreads(options: ServerThreadsOptions): ServerThreads {
  return new ServerThreadGroup(options);
}

class ServerThreadGroup implements ServerThreads {
  readonly store: CacheServer["store"];
  readonly backend: CacheServer["backend"];
  readonly operators: CacheServer["operators"];
  readonly crashed: Promise<WorkerCrash>;
  readonly #options: ServerThreadsOptions;
  readonly #telemetry: Telemetry;
  readonly #limits: Limits;
  readonly #transport: TransportLimits;
  readonly #listen: HostPort;
  readonly #startedMs = systemClock.nowMs();
  readonly #channelName = `meshcache ${randomUUID()}`;
  readonly #channel: InquiryChannel;
  readonly #storeMemory: StoreMemory;
  readonly #snapshot: SnapshotOutcome | undefined;
  readonly #boundsMemory: SharedArrayBuffer;
  readonly #securityMemory: SecurityMemory;
  /** By thread; the last are the main thread's. */
  readonly #ports: readonly PeerPorts[];
  readonly #crash = Promise.withResolvers<WorkerCrash>();
  #threads: readonly WorkerThread[] = [];
  #address: string | undefined;
  #httpAddress: string | undefined;
  #unobserve = () => {};
  #started: Promise<string> | undefined;
  #drained: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: ServerThreadsOptions) {
    const workers = pickWithin<"workers">({ workers: WORKERS_BOUND }, options)("workers");
    this.#options = options;
    this.#telemetry = options.telemetry ?? createNoTelemetry();
    this.#limits = resolveLimits(options.limits);
    this.#transport = resolveTransportLimits(options.transport);
    checkRequestRoom(this.#limits.receiveMaxBytes, this.#transport);
    const listen = parseListenAddress(options.listen ?? DEFAULT_ADDRESS);
    if (listen === undefined) throw fieldInvalid("listen", LISTEN_ADDRESS_FORM);
    this.#listen = listen;
    // Each thread reads the files for itself. Here it is seen early whether they can be used.
    this.#securityMemory = openSecurity(options.security, listen.host).memory;
    const count = workers + 1;
    this.#ports = connectThreads(count);
    const started = options.startStore?.(count);
    this.#storeMemory = started?.memory ?? createStoreMemory(options.store ?? {}, count);
    this.#snapshot = started?.outcome;
    this.#boundsMemory = createBoundsMemory(workers);
    this.store = attachThreadStore(this.#storeMemory, workers, this.#ownPorts, this.#telemetry.logger);
    this.backend = this.store;
    this.crashed = this.#crash.promise;
    this.#channel = openInquiryChannel(this.#channelName, workers, systemClock, this.#telemetry.logger);
    this.operators = this.#viewFor(this.#channel.inquiry);
  }

  #viewFor(inquiry: Inquiry): OperatorView {
    const { workers, facts = NO_FACTS } = this.#options;
    const bounds = attachBounds(this.#boundsMemory, workers, this.#transport);
    return {
      inquiry,
      observation: {
        subscribers: () => bounds.subscribers.taken,
        connections: () => bounds.connections.taken,
        heldBytes: () => bounds.held.exactBytes(),
        snapshot: this.#snapshot,
      },
      facts,
      limits: this.#limits,
      transport: this.#transport,
      telemetry: this.#telemetry,
      startedMs: this.#startedMs,
      workers,
    };
  }

  get address(): string {
    if (this.#address === undefined) throw new Error("the server has not started");
    return this.#address;
  }

  get httpAddress(): string | undefined {
    if (this.#address === undefined) throw new Error("the server has not started");
    return this.#httpAddress;
  }

  start(): Promise<string> {
    this.#started ??= this.#start();
    return this.#started;
  }

  drain(): Promise<void> {
    const maxMs = this.#transport.drainMaxMs + DRAIN_GRACE_MS;
    this.#drained ??= waitUpTo(systemClock, maxMs, this.#orderAll({ kind: "drain" })).then(() =>
      this.close(),
    );
    return this.#drained;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  get #ownPorts(): PeerPorts {
    return this.#ports[this.#options.workers] ?? [];
  }

  async #start(): Promise<string> {
    const { host, port } = this.#listen;
    try {
      await assertPortFree(host, port);
      await this.#assertHttpPortFree();
      this.#assertNotEnding();
      this.#threads = Array.from({ length: this.#options.workers }, (_, thread) => this.#startThread(thread));
      const address = await this.#listenAll();
      this.#assertNotEnding();
      this.#address = address;
      this.#observe();
      return address;
    } catch (error) {
      await this.#terminate();
      this.#assertNotEnding(error);
      throw error;
    }
  }

  async #assertHttpPortFree(): Promise<void> {
    const endpoint = parseListenAddress(this.#options.http?.listen ?? "");
    if (endpoint === undefined) return;
    try {
      await assertPortFree(endpoint.host, endpoint.port);
    } catch (error) {
      throw asHttpPortError(error);
    }
  }

  #assertNotEnding(cause?: unknown): void {
    if (this.#drained === undefined && this.#closed === undefined) return;
    throw new Error("the server was closed before it had started", { cause });
  }

  #startThread(thread: number): WorkerThread {
    const { entry, heap, extraFor } = this.#options;
    const extra = extraFor?.(thread);
    const peers = this.#ports[thread] ?? [];
    return startWorkerThread({
      entry: entry ?? plainEntry(),
      heap,
      data: {
        thread,
        store: this.#storeMemory,
        peers,
        bounds: this.#boundsMemory,
        securityMemory: this.#securityMemory,
        limits: this.#limits,
        transport: this.#transport,
        acceleration: this.#options.acceleration ?? "on",
        security: this.#options.security ?? {},
        snapshot: this.#snapshot,
        startedMs: this.#startedMs,
        workers: this.#options.workers,
        inquiryChannel: this.#channelName,
        facts: this.operators.facts,
        extra: extra?.value,
      },
      transfer: [...peers.filter(isPort), ...(extra?.transfer ?? [])],
      crashed: (crash) => {
        void this.#terminate();
        this.#crash.resolve(crash);
      },
    });
  }

  /** With port 0, the first thread picks the port for all. */
  async #listenAll(): Promise<string> {
    await Promise.all(this.#threads.map((thread) => thread.ready));
    let address = toHostPort(this.#listen.host, this.#listen.port);
    let { http } = this.#options;
    for (const thread of this.#threads) {
      const report = addressesOf(await thread.order({ kind: "listen", listen: address, http }));
      address = report.address;
      if (http !== undefined && report.httpAddress !== undefined)
        http = { ...http, listen: report.httpAddress };
    }
    this.#httpAddress = http?.listen;
    return address;
  }

  #observe(): void {
    this.#unobserve = this.#telemetry.observeProcess(this.store, this.operators.observation);
  }

  async #orderAll(order: Order): Promise<void> {
    await Promise.allSettled(this.#threads.map((thread) => thread.order(order)));
  }

  async #close(): Promise<void> {
    await waitUpTo(systemClock, END_MAX_MS, this.#orderAll({ kind: "end" }));
    await this.#terminate();
  }

  async #terminate(): Promise<void> {
    this.#unobserve();
    for (const port of this.#ownPorts) port?.close();
    this.#channel.close();
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

/** Beside this module, in the sources as in the build. */
function plainEntry(): URL {
  return new URL(`./plain-thread${extname(import.meta.url)}`, import.meta.url);
}

function isPort(port: MessagePort | undefined): port is MessagePort {
  return port !== undefined;
}

function addressesOf(report: Report): Extract<Report, { kind: "listening" }> {
  if (report.kind === "listening") return report;
  if (report.kind !== "refused")
    throw new Error(`a worker thread reported ${report.kind} when it was told to listen`);
  const error = Object.assign(new Error(report.message), { code: report.code });
  throw report.port === "http" ? asHttpPortError(error) : error;
}
