/**
 * A mesh in one process and without a network: real clients, real exchange sessions and a real store. A link connects
 * each client to a session. Its frames move when the test says so, in virtual time.
 */
import type { ExchangeRequest, ExchangeResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import type { ClientOptions } from "../../src/client/api/options.ts";
import { MeshCache } from "../../src/client/mesh-cache.ts";
import type { LinkHandlers, Transport } from "../../src/client/transport/transport.ts";
import { CacheError } from "../../src/common/errors.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { type Limits, resolveLimits } from "../../src/rpc/limits.ts";
import { resolveTransportLimits } from "../../src/server/limits/transport-limits.ts";
import { createExchangeSession, type ExchangeSession } from "../../src/server/streams/exchange-session.ts";
import type { SnapshotOutcome } from "../../src/store/api/snapshot-outcome.ts";
import type { SetCommand, Store } from "../../src/store/api/store.ts";
import {
  createStore,
  createStoreMemory,
  type StoreMemory,
  type StoreOptions,
} from "../../src/store/engine/create-store.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "./loud-boundary.ts";
import { ManualClock } from "./manual-clock.ts";
import { bytesOf, loadBytes, type TestOptions } from "./snapshot-bytes.ts";
import { createStoreViews } from "./store-views.ts";
import { testAccess } from "./test-tls.ts";
import { testWorkers } from "./test-workers.ts";
import { Turns } from "./turns.ts";

/** Both directions of one stream. Held frames keep their order. */
export class MeshLink {
  readonly address: string;
  /** Frames that the client has sent and the server has not received. */
  readonly requests: ExchangeRequest[] = [];
  /** Frames that the server has sent and the client has not received. */
  readonly responses: ExchangeResponse[] = [];
  holdRequests = false;
  holdResponses = false;
  /** The output of the server is over its high-water mark. The test then calls `session.drained`. */
  full = false;
  /** Drops all frames without closing anything: a half-open connection. */
  blackhole = false;
  over = false;
  session: ExchangeSession | undefined;
  readonly #handlers: LinkHandlers;

  constructor(address: string, handlers: LinkHandlers) {
    this.address = address;
    this.#handlers = handlers;
  }

  hold(): void {
    this.holdRequests = true;
    this.holdResponses = true;
  }

  release(): void {
    this.holdRequests = false;
    this.holdResponses = false;
  }

  /** Moves every frame that is not held. True when one moved. */
  pump(): boolean {
    let moved = false;
    while (!this.over && !this.holdRequests && !this.session?.paused()) {
      const request = this.requests.shift();
      if (request === undefined) break;
      if (!this.blackhole) this.session?.receive(request);
      moved = true;
    }
    while (!this.over && !this.holdResponses) {
      const response = this.responses.shift();
      if (response === undefined) break;
      if (!this.blackhole) this.#handlers.frame(response);
      moved = true;
    }
    return moved;
  }

  /** Both ends lose the stream and all frames that are under way. */
  reset(reason: CacheError = new CacheError("UNAVAILABLE", "reset by the test")): void {
    if (this.over) return;
    this.end();
    this.#handlers.closed(reason);
  }

  /** The client is told that the connection is to end. */
  goAway(): void {
    this.#handlers.goesAway();
  }

  end(): void {
    this.over = true;
    this.session?.close();
  }
}

export class Mesh {
  readonly clock = new ManualClock();
  readonly turns = new Turns();
  readonly links: MeshLink[] = [];
  /** Addresses that refuse every connection. */
  readonly down = new Set<string>();
  /** Of the sessions that begin from now on. */
  limits: Partial<Limits> = {};
  /** False: they are of a server that knows no content encodings. */
  keepsEncodings = true;
  store: Store;
  readonly #storeOptions: Partial<StoreOptions>;
  #memory: StoreMemory | undefined;
  #lives = 0;

  constructor(storeOptions: Partial<StoreOptions> = {}) {
    this.#storeOptions = storeOptions;
    this.store = this.#createStore();
  }

  connect(options: Partial<ClientOptions> = {}): MeshCache {
    const seed = 100 + this.links.length;
    const transport: Transport = { open: (address, handlers) => this.#open(address, handlers) };
    return new MeshCache(
      { address: "server:1", revalidateJitterMs: 0, ...options },
      { clock: this.clock, rng: createSeededRng(seed), transport, scheduleFlush: this.turns.defer },
    );
  }

  /** The newest stream. */
  get link(): MeshLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("nobody has connected");
    return link;
  }

  /** Moves frames until none is left to move. No time passes. */
  async settle(): Promise<void> {
    do await this.turns.settle();
    while (this.links.map((link) => link.pump()).includes(true));
  }

  /** Lets time pass in steps, so that timers set by timers run in their order. */
  async advance(byMs: number, stepMs = 50): Promise<void> {
    await this.settle();
    for (let passed = 0; passed < byMs; passed += stepMs) {
      this.clock.advance(Math.min(stepMs, byMs - passed));
      this.store.maintain(1_000);
      await this.settle();
    }
  }

  /** Time passes and nothing runs, as in a paused process. Due timers run late. */
  pause(byMs: number): void {
    this.clock.advance(0);
    this.clock.leap(byMs);
  }

  /** Moves the frames, and returns the answer to the operation. */
  async run<Result>(operation: Promise<Result>): Promise<Result> {
    operation.catch(() => undefined);
    await this.settle();
    return operation;
  }

  /** Writes JSON directly to the store. */
  write(namespace: string, key: string, value: string): void {
    this.writeBytes(namespace, key, Buffer.from(JSON.stringify(value)));
  }

  writeBytes(namespace: string, key: string, value: Uint8Array, more: Partial<SetCommand> = {}): void {
    this.store.set({
      namespace,
      key,
      value,
      ttlMs: 0,
      staleMs: 0,
      tags: [],
      contentType: "",
      contentEncoding: "",
      absent: false,
      sourceVersion: 0n,
      condition: { kind: "always" },
      requestId: 0n,
      writer: { origin: "", traceparent: "" },
      ...more,
    });
  }

  /** The server crashes and loses everything. A new one takes its place. */
  restart(): void {
    this.store = this.#createStore();
    for (const link of this.links) link.reset();
  }

  /** The server ends its streams, writes a snapshot and ends. Nobody answers until the next start. */
  stop(): Buffer {
    if (this.#memory === undefined) throw new Error("the engine has no snapshots");
    for (const link of this.links) link.reset(new CacheError("DRAINING", "the server is shutting down"));
    return bytesOf(this.#memory, this.clock, this.#lives);
  }

  /** A server starts with a snapshot. */
  startWith(snapshot: Buffer): SnapshotOutcome {
    const options = this.#newLife();
    const { memory, outcome } = loadBytes(snapshot, options, { threads: testWorkers });
    this.#memory = memory;
    this.store = createStoreViews(options, testWorkers, this.#lives, memory);
    return outcome;
  }

  #createStore(): Store {
    const options = this.#newLife();
    // The "lru" engine supports one thread only.
    if (options.engine === "lru") return createStore(options);
    this.#memory = createStoreMemory(options, testWorkers);
    return createStoreViews(options, testWorkers, this.#lives, this.#memory);
  }

  #newLife(): TestOptions {
    this.#lives += 1;
    return { shards: 1, clock: this.clock, rng: createSeededRng(this.#lives), ...this.#storeOptions };
  }

  #open(address: string, handlers: LinkHandlers): ReturnType<Transport["open"]> {
    const link = new MeshLink(address, handlers);
    this.links.push(link);
    if (this.down.has(address)) {
      this.turns.defer(() => link.reset(new CacheError("UNAVAILABLE", "nobody answers")));
    } else {
      link.session = createExchangeSession(
        {
          store: this.store,
          limits: resolveLimits(this.limits),
          transport: resolveTransportLimits(),
          telemetry: createNoTelemetry(),
          boundary: loudBoundary,
          defer: this.turns.defer,
          access: testAccess,
        },
        {
          send: (frame) => {
            const { frame: body } = frame;
            if (body.case === "opened" && body.value.limits !== undefined)
              body.value.limits.contentEncodings = this.keepsEncodings;
            link.responses.push(frame);
            return !link.full;
          },
          end: (error) => link.reset(error),
        },
      );
    }
    return {
      send(frame) {
        link.requests.push(frame);
        return true;
      },
      close: () => link.end(),
    };
  }
}
