/** The world of the example: a cache server, a database, a writer, three API processes, and users who read all the time. */
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { type Database, startDatabase } from "./database.ts";
import { Network } from "./network.ts";
import { PromiseCheck } from "./promise.ts";
import { type Answer, Service } from "./service.ts";

const KEYS = Array.from({ length: 10 }, (_, at) => `row-${at}`);
const THINK_MS = 10;

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
  #reads: { readonly ms: number; readonly source: string | undefined }[] = [];
  #databaseReadsBefore = 0;
  #over = false;
  readonly #users: Promise<void>[] = [];

  static async start(): Promise<World> {
    const world = new World(await startDatabase(), await freePort());
    await world.#server.ready;
    world.#writer = world.#startService("./writer.ts", await world.writerNetwork.listen());
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
    this.#server = this.#startServer();
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
      this.check.read(key, answer.version, begunAtMs);
      ended(answer.source);
      return answer;
    } catch (error) {
      ended(undefined);
      throw error;
    }
  }

  /** Resolves once the cache has acknowledged the invalidation. */
  async write(key = "row-0"): Promise<number> {
    const { version } = await this.writer.ask({ kind: "write", key });
    this.check.acknowledged(key, version, performance.now());
    return version;
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
    this.#server = this.#startServer();
    await this.#server.ready;
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

  #startServer(): Service {
    return new Service("./server.ts", [`127.0.0.1:${this.#port}`], () => undefined);
  }

  #startService(file: string, cacheAddress: string): Service {
    return new Service(file, [cacheAddress, this.#database.url], (message) => {
      const kind = message.replaceAll(/127\.0\.0\.1:\d+/g, "the server");
      this.events.set(kind, (this.events.get(kind) ?? 0) + 1);
    });
  }
}

/** A port that nobody uses now: the server keeps it when it is started again. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("there is no free port");
  return address.port;
}
