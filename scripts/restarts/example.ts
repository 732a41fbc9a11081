/**
 * The example application (`npm run example`) over restarts of its cache: one worker that owns the users, and many API processes,
 * each with a client of the cache and a user of its own that reads all the time.
 */
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "../../examples/tracing.ts";
import type { User } from "../../examples/user.ts";
import { createSeededRng } from "../../src/common/random.ts";
import type { Outage, RestartedServer } from "./restarted-server.ts";

const IDS = ["0", "1", "2"];
/** `leaseMs` of the example's clients, the default. */
const LEASE_MS = 5_000;
/** One that waits too long for its first answer ends. */
const STARTED_AT_ONCE = 3;
/** Each wakes all processes. */
const WRITE_EVERY_MS = 500;
/** More often, and fifty processes are all that a machine of two cores has time for: then reads wait for processors. */
const THINK_MS = { least: 300, spread: 400 };
/** Before the first restart, and not looked at: processes that were just started are slow. */
const WARM_MS = 10_000;
/** After each restart. */
const CALM_MS = 5_000;
/** After a signal reads may be slow for as long, or until the server is back. */
const RESTART_MS = 1_000;

export interface ExampleRead {
  readonly atMs: number;
  readonly ms: number;
}

export interface Used {
  readonly reads: readonly ExampleRead[];
  /** Reads that were not answered with a user. */
  readonly failed: number;
  /** Answers older than what was written and invalidated a lease before. */
  readonly stale: number;
  /** Writes whose invalidation the cache acknowledged. */
  readonly writes: number;
  readonly outages: readonly Outage[];
}

class Application {
  readonly apis: string[] = [];
  worker = "";
  readonly #children: ChildProcess[] = [];

  static async start(cacheAddress: string, apis: number): Promise<Application> {
    using undo = new DisposableStack();
    const application = undo.use(new Application());
    application.worker = await application.#fork("worker", cacheAddress);
    while (application.apis.length < apis) {
      const count = Math.min(STARTED_AT_ONCE, apis - application.apis.length);
      const more = Array.from({ length: count }, () =>
        application.#fork("api", cacheAddress, application.worker),
      );
      application.apis.push(...(await Promise.all(more)));
    }
    undo.move();
    return application;
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  /** Resolves with its URL once it listens. */
  #fork(name: "worker" | "api", ...argv: string[]): Promise<string> {
    const child = fork(new URL(`../../examples/${name}.ts`, import.meta.url), argv, {
      execArgv: [],
      // Its client warns that no server can be reached.
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
    this.#children.push(child);
    return new Promise((resolve, reject) => {
      child.on("message", (message: Report) => {
        if (message.kind === "listening") resolve(message.address);
      });
      child.once("exit", (code) => reject(new Error(`the example's ${name} ended with ${code}`)));
    });
  }
}

/** Ends the server at the end. */
export async function useOverRestarts(
  server: RestartedServer,
  apis: number,
  restarts: number,
): Promise<Used> {
  using application = await Application.start(server.address, apis);
  const users = new Users(application);
  const running = [users.write(), ...application.apis.map((api, number) => users.read(api, number))];
  await sleep(WARM_MS);
  users.reads.length = 0;
  for (let restart = 0; restart < restarts; restart += 1) {
    await server.restart("SIGTERM");
    await sleep(CALM_MS);
  }
  users.areDone = true;
  await Promise.all(running);
  await server.stop();
  const { reads, failed, stale, acknowledged } = users;
  return { reads, failed, stale, writes: acknowledged.length, outages: server.outages };
}

/** Names are numbers, ever greater, so that an older one is known. */
class Users {
  readonly reads: ExampleRead[] = [];
  failed = 0;
  stale = 0;
  readonly acknowledged: { readonly id: string; readonly name: number; readonly atMs: number }[] = [];
  areDone = false;
  readonly #application: Application;

  constructor(application: Application) {
    this.#application = application;
  }

  async read(api: string, seed: number): Promise<void> {
    const rng = createSeededRng(seed);
    while (!this.areDone) {
      const id = IDS[Math.floor(rng.fraction() * IDS.length)] ?? "0";
      const atMs = performance.now();
      const user = await readUser(api, id);
      this.reads.push({ atMs, ms: performance.now() - atMs });
      if (user === undefined) this.failed += 1;
      else if (Number(user.name) < this.#leastName(id, atMs - LEASE_MS)) this.stale += 1;
      await sleep(THINK_MS.least + THINK_MS.spread * rng.fraction());
    }
  }

  async write(): Promise<void> {
    for (let name = 1; !this.areDone; name += 1) {
      const id = IDS[name % IDS.length] ?? "0";
      const { status } = await fetch(`${this.#application.worker}/users/${id}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: `${name}` }),
      });
      // Without a server the invalidation is queued, and the worker answers 500.
      if (status === 200) this.acknowledged.push({ id, name, atMs: performance.now() });
      await sleep(WRITE_EVERY_MS);
    }
  }

  /** What everybody must know who asks a lease after `atMs`. */
  #leastName(id: string, atMs: number): number {
    return this.acknowledged.findLast((one) => one.id === id && one.atMs <= atMs)?.name ?? 0;
  }
}

async function readUser(api: string, id: string): Promise<User | undefined> {
  try {
    const response = await fetch(`${api}/users/${id}`);
    if (response.status !== 200) return undefined;
    return ((await response.json()) as { readonly user: User }).user;
  } catch {
    return undefined;
  }
}

/** Of the reads outside the restarts: 99 of 100 took at most so long. */
export function p99OutsideMs({ reads, outages }: Used): number {
  const isOutside = ({ atMs, ms }: ExampleRead): boolean =>
    outages.every(
      ({ beganMs, downMs }) => atMs + ms < beganMs || atMs > beganMs + Math.max(RESTART_MS, downMs),
    );
  const sorted = reads
    .filter(isOutside)
    .map(({ ms }) => ms)
    .sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}
