/** The world of the example: a cache server, a database, a writer, three API processes, and users who read all the time. */
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../test/support/free-port.ts";
import { type Database, startDatabase } from "./database.ts";
import type { Answer } from "./messages.ts";
import { Network } from "./network.ts";
import { PromiseCheck } from "./promise.ts";
import { Service } from "./service.ts";

const KEYS = Array.from({ length: 10 }, (_, at) => `row-${at}`);
/** The row that the writer writes. */
export const WRITTEN = "row-0";
const THINK_MS = 10;
/** Stands for the addresses at which the processes reach the cache. */
export const CACHE_NAME = "cache:50051";

/** What users saw since the last `look()`. */
export interface Seen {
  readonly reads: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly near: number;
  readonly databaseReads: number;
}

export interface Api {
  readonly network: Network;
  readonly address: string;
  service: Service;
}

export class World {
  readonly check = new PromiseCheck();
  readonly events = new Map<string, number>();
  readonly apis: Api[] = [];
  readonly writerNetwork: Network;
  readonly #database: Database;
  readonly #port: number;
  #server: Service;
  #writer: Service | undefined;
  #writerAddress = "";
  #reads: { readonly ms: number; readonly source: string | undefined }[] = [];
  #databaseReadsBefore = 0;
  #over = false;
  readonly #users: Promise<void>[] = [];

  static async start(): Promise<World> {
    const world = new World(await startDatabase(), await freePort());
    await world.#server.ready;
    world.#writerAddress = await world.writerNetwork.listen();
    world.#writer = world.#startService("./writer.ts", world.#writerAddress);
    for (let at = 0; at < 3; at += 1) {
      const network = new Network(world.#port);
      const address = await network.listen();
      world.apis.push({ network, address, service: world.#startService("./api.ts", address) });
    }
    await Promise.all([world.writer, ...world.apis.map(({ service }) => service)].map(({ ready }) => ready));
    for (const api of world.apis) world.#users.push(world.#use(api), world.#use(api));
    return world;
  }

  private constructor(database: Database, port: number) {
    this.#database = database;
    this.#port = port;
    this.#server = startServer(port);
    this.writerNetwork = new Network(port);
  }

  get writer(): Service {
    if (this.#writer === undefined) throw new Error("the world has not started");
    return this.#writer;
  }

  // ---- What users do -------------------------------------------------------------------------------------

  async #use(api: Api): Promise<void> {
    for (let at = 0; !this.#over; at += 1) {
      const key = KEYS[at % KEYS.length] ?? "";
      // As behind a load balancer: nobody asks a process that is not ready.
      await api.service.ready.catch(() => undefined);
      await this.read(api, key).catch(() => undefined);
      await pause(THINK_MS);
    }
  }

  async read(api: Api, key: string): Promise<Answer> {
    const begunAtMs = performance.now();
    const ended = (source: string | undefined) =>
      this.#reads.push({ ms: performance.now() - begunAtMs, source });
    try {
      const answer = await api.service.ask({ kind: "read", key, slowly: false });
      this.check.read(key, answer.version ?? 0, begunAtMs);
      ended(answer.source);
      return answer;
    } catch (error) {
      ended(undefined);
      throw error;
    }
  }

  /** Resolves once the cache has acknowledged the invalidation. */
  async write(): Promise<number> {
    const { version = 0, queued } = await this.writer.ask({ kind: "write", key: WRITTEN });
    if (queued) await this.writer.ask({ kind: "acknowledge" });
    this.check.acknowledged(WRITTEN, version, performance.now());
    return version;
  }

  /** Resolves although the cache cannot be reached. */
  async writeWithoutCache(): Promise<number> {
    const { version = 0, queued } = await this.writer.ask({ kind: "write", key: WRITTEN });
    if (!queued) throw new Error("an invalidation was acknowledged without a connection");
    return version;
  }

  /** The writer's client has got everything acknowledged, the last of it for this version. */
  async acknowledge(version: number): Promise<void> {
    await this.writer.ask({ kind: "acknowledge" });
    this.check.acknowledged(WRITTEN, version, performance.now());
  }

  /** Ends the writer in order, and returns how many invalidations its client says are lost. Its successor sends them. */
  async replaceWriter(version: number, reconnect: () => void): Promise<number> {
    const { unacknowledged = 0 } = await this.writer.ask({ kind: "close" });
    await this.writer.end("SIGTERM");
    reconnect();
    this.#writer = this.#startService("./writer.ts", this.#writerAddress);
    await this.writer.ready;
    if (unacknowledged > 0) await this.writer.ask({ kind: "invalidate", key: WRITTEN });
    await this.acknowledge(version);
    return unacknowledged;
  }

  look(): Seen {
    const reads = this.#reads;
    this.#reads = [];
    const { reads: databaseReads } = this.#database;
    const seen = {
      reads: reads.length,
      failed: reads.filter(({ source }) => source === undefined).length,
      slowestMs: Math.round(reads.reduce((most, { ms }) => Math.max(most, ms), 0)),
      near: reads.filter(({ source }) => source === "near").length,
      databaseReads: databaseReads - this.#databaseReadsBefore,
    };
    this.#databaseReadsBefore = databaseReads;
    return seen;
  }

  // ---- What happens to it --------------------------------------------------------------------------------

  async endServer(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    await this.#server.end(signal);
  }

  async startServer(): Promise<void> {
    this.#server = startServer(this.#port);
    await this.#server.ready;
  }

  /** Another server with a store of its own, behind the address of this API. Returns what ends it. */
  async startSecondServer({ network }: Api): Promise<() => Promise<void>> {
    const port = await freePort();
    const second = startServer(port);
    await second.ready;
    network.serverPorts = [this.#port, port];
    return async () => {
      network.serverPorts = [this.#port];
      await second.end("SIGKILL");
    };
  }

  /** Kills an API process, and starts another one in its place. */
  async replaceApi(api: Api): Promise<void> {
    await api.service.end();
    api.service = this.#startService("./api.ts", api.address);
    await api.service.ready;
  }

  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#users);
    await Promise.all([this.writer, ...this.apis.map(({ service }) => service)].map((one) => one.end()));
    await this.#server.end();
    for (const network of [this.writerNetwork, ...this.apis.map((api) => api.network)]) network.close();
    this.#database.close();
  }

  #startService(file: string, cacheAddress: string): Service {
    return new Service(file, [cacheAddress, this.#database.url], (message) => {
      const kind = message.replaceAll(/127\.0\.0\.1:\d+/g, CACHE_NAME);
      this.events.set(kind, (this.events.get(kind) ?? 0) + 1);
    });
  }
}

function startServer(port: number): Service {
  return new Service("./server.ts", [`127.0.0.1:${port}`], () => undefined);
}
