import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectPlain, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import { credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheService, type Event, type StreamResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { createServiceClient, type ServiceClient } from "../../../src/rpc/client.ts";
import {
  createServerThreads,
  type ServerThreads,
  type ServerThreadsOptions,
  WorkerCrash,
} from "../../../src/server/workers/index.ts";
import { freeAddress } from "../../support/free-port.ts";
import { connectSocket, FRAME, frame } from "../../support/raw-http2.ts";
import type { Script } from "../../support/scripted-thread.ts";
import { CALM } from "../../support/test-workers.ts";
import { until } from "../../support/until.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

const scriptedThread = new URL("../../support/scripted-thread.ts", import.meta.url);
const WORKERS = 3;

function create(options: Partial<ServerThreadsOptions> = {}): ServerThreads {
  const threads = createServerThreads({
    workers: WORKERS,
    listen: "127.0.0.1:0",
    transport: CALM,
    ...options,
  });
  undo.push(() => threads.close());
  return threads;
}

async function start(options: Partial<ServerThreadsOptions> = {}): Promise<ServerThreads> {
  const threads = create(options);
  await threads.start();
  return threads;
}

/** With a connection of its own. */
function clientOf(address: string): ServiceClient {
  const ownConnection = { "grpc.use_local_subchannel_pool": 1 };
  const client = createServiceClient(address, credentials.createInsecure(), ownConnection);
  undo.push(() => client.close());
  return client;
}

const statsOf = (client: ServiceClient) => client.unary(AdminService.method.stats, {});
async function openStream(client: ServiceClient) {
  const stream = client.serverStream(CacheService.method.stream, { namespace: "users" });
  stream.on("error", () => {});
  await once(stream, "data");
  return stream;
}

/** The next event of the stream. */
async function eventOf(stream: Awaited<ReturnType<typeof openStream>>): Promise<Event> {
  for (;;) {
    const [response]: StreamResponse[] = await once(stream, "data");
    const [event] = response?.frame.case === "events" ? response.frame.value.events : [];
    if (event !== undefined) return event;
  }
}

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1));

/** True when the server acknowledges a ping, false when it ends the connection. */
async function isServed(socket: Socket): Promise<boolean> {
  const ended = new Promise<boolean>((resolve) => socket.once("close", () => resolve(false)));
  const answered = new Promise<boolean>((resolve) => socket.once("data", () => resolve(true)));
  socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
  return Promise.race([ended, answered]);
}

/** Each worker reports its calls. */
function listenToCalls(): Partial<ServerThreadsOptions> & { readonly callsOf: readonly string[][] } {
  const callsOf: string[][] = [];
  return {
    callsOf,
    entry: scriptedThread,
    extraFor(thread) {
      const { port1, port2 } = new MessageChannel();
      const calls: string[] = [];
      callsOf[thread] = calls;
      port1.on("message", (method: string) => calls.push(method)).unref();
      return { value: { calls: port2 } satisfies Script, transfer: [port2] };
    },
  };
}

/** So many connections that each of 3 workers gets one: it fails once in 10^7 runs. */
const MANY = 40;

describe("createServerThreads()", () => {
  it("spreads the connections to one port over all of its workers", async () => {
    const { callsOf, ...listening } = listenToCalls();
    const { address } = await start(listening);
    await Promise.all(Array.from({ length: MANY }, () => statsOf(clientOf(address))));
    await until(
      async () => callsOf.flat().length,
      (calls) => calls === MANY,
    );
    expect(callsOf.map((calls) => calls.length > 0)).toEqual([true, true, true]);
  });

  it("tells of the calls and the clients of all of its workers, whichever is asked", async () => {
    const { address } = await start();
    const clients = Array.from({ length: MANY }, () => clientOf(address));
    await Promise.all(clients.map(statsOf));
    const streams = await Promise.all(clients.slice(0, 3).map(openStream));
    for (const client of clients.slice(0, 3)) {
      const { workers, workersSilent } = await client.unary(AdminService.method.activity, {});
      expect({ numbers: workers.map(({ worker }) => worker), workersSilent }).toEqual({
        numbers: [0, 1, 2],
        workersSilent: 0,
      });
      const sums = [0n, 0n];
      for (const { connections, subscribers } of workers) {
        sums[0] = (sums[0] ?? 0n) + connections;
        sums[1] = (sums[1] ?? 0n) + subscribers;
      }
      expect(sums).toEqual([BigInt(MANY), 3n]);
    }
    const [client] = clients;
    if (client === undefined) throw new Error("no client");
    const ids: bigint[] = [];
    for (let afterId = 0n, pages = 0; pages < MANY; pages += 1) {
      const page = await client.unary(AdminService.method.listClients, { clientsMax: 7, afterId });
      expect(page.total).toBe(BigInt(MANY));
      ids.push(...page.clients.map(({ id }) => id));
      afterId = page.nextAfterId;
      if (afterId === 0n) break;
    }
    expect(new Set(ids).size).toBe(MANY);
    expect(ids).toEqual(ids.toSorted((one, other) => Number(one - other)));
    for (const stream of streams) stream.cancel();
  });

  it("listens on IPv6 too", async () => {
    const { address } = await start({ listen: "[::1]:0" });
    expect(address).toMatch(/^\[::1\]:\d+$/);
    expect((await statsOf(clientOf(address))).connections).toBe(1n);
  });

  it("gives all of its workers one store, and the main thread too", async () => {
    const threads = await start();
    const clients = Array.from({ length: MANY }, () => clientOf(threads.address));
    const key = { namespace: "users", key: "1" };
    await clients[0]?.unary(CacheService.method.set, { ...key, value: Buffer.from("Ada") });
    const found = await Promise.all(clients.map((client) => client.unary(CacheService.method.get, key)));
    expect(found.map(({ outcome }) => outcome.case)).toEqual(clients.map(() => "hit"));
    const { operations, epoch } = await statsOf(clientOf(threads.address));
    expect([operations?.sets, operations?.hits, epoch]).toEqual([1n, BigInt(MANY), threads.store.epoch]);
    expect(threads.store.counters).toMatchObject({ sets: 1, hits: MANY });
  });

  it("sends the event of a Set on one worker to the subscribers of all workers", async () => {
    const threads = await start({ transport: { progressIntervalMs: 600_000 } });
    const streams = await Promise.all(
      Array.from({ length: MANY }, () => openStream(clientOf(threads.address))),
    );
    const told = streams.map(eventOf);
    await clientOf(threads.address).unary(CacheService.method.set, { namespace: "users", key: "news" });
    const targets = (await Promise.all(told)).map(({ target }) => target);
    expect(targets).toEqual(streams.map(() => ({ case: "key", value: "news" })));
    for (const stream of streams) stream.cancel();
  });

  it("answers waits for a lease with the value that was stored on another worker", async () => {
    const { address } = await start();
    const lease = { namespace: "users", key: "slow", leaseMs: 60_000, waitMs: 20_000 };
    const first = clientOf(address);
    const granted = await first.unary(CacheService.method.lease, lease);
    const token = granted.outcome.case === "granted" ? granted.outcome.value.token : 0n;
    expect(token).not.toBe(0n);
    const others = Array.from({ length: MANY }, () => clientOf(address));
    const waiting = others.map((client) => client.unary(CacheService.method.lease, lease));
    // A later call on the same connection is answered: so the server has the lease request.
    await Promise.all(others.map(statsOf));
    await first.unary(CacheService.method.set, {
      namespace: "users",
      key: "slow",
      value: Buffer.from("filled"),
      condition: { case: "leaseToken", value: token },
    });
    const outcomes = (await Promise.all(waiting)).map(({ outcome }) => outcome);
    const values = outcomes.map(
      ({ case: kind, value }) => kind === "hit" && Buffer.from(value.value).toString(),
    );
    expect(values).toEqual(outcomes.map(() => "filled"));
    const { operations } = await statsOf(first);
    expect(operations?.leases).toMatchObject({ granted: 1n, filled: 1n, shared: BigInt(MANY) });
  });

  it("counts the connections and subscribers of all workers, whichever worker is asked", async () => {
    const { address } = await start();
    const clients = Array.from({ length: MANY }, () => clientOf(address));
    const streams = await Promise.all(clients.map(openStream));
    const answers = await Promise.all(clients.map(statsOf));
    expect(answers.map(({ connections, subscribers }) => [connections, subscribers])).toEqual(
      clients.map(() => [BigInt(MANY), BigInt(MANY)]),
    );
    for (const stream of streams) stream.cancel();
    for (const client of clients) client.close();
    const asking = clientOf(address);
    const left = await until(
      () => statsOf(asking),
      ({ connections }) => connections === 1n,
    );
    expect(left.subscribers).toBe(0n);
  });

  it("bounds the connections of all workers together", async () => {
    const { address } = await start({ transport: { connectionsMax: 10 } });
    const port = portOf(address);
    const sockets = await Promise.all(Array.from({ length: MANY }, () => connectSocket(port)));
    undo.push(() => sockets.forEach(({ socket }) => void socket.destroy()));
    const open = () => sockets.filter(({ socket }) => !socket.destroyed);
    await until(
      async () => open().length,
      (left) => left <= 10,
    );
    const answers = await Promise.all(open().map(({ socket }) => isServed(socket)));
    expect(answers).toEqual(new Array(10).fill(true));

    // When one connection ends, the next is served, whichever worker gets it.
    open()[0]?.socket.destroy();
    await until(
      async () => {
        const { socket } = await connectSocket(port);
        undo.push(() => void socket.destroy());
        return isServed(socket);
      },
      (served) => served,
    );
  });

  it("refuses a number of workers that is not whole or not within 1 to 256", () => {
    for (const workers of [0, 257, 1.5, Number.NaN])
      expect(() => create({ workers })).toThrow(/workers must be/);
  });

  it("refuses a port that is in use, even by another server that would share it", async () => {
    const { address } = await start();
    await expect(create({ listen: address }).start()).rejects.toMatchObject({ code: "EADDRINUSE" });
    const taken = createServer().listen(0, "127.0.0.1");
    undo.push(() => taken.close());
    await once(taken, "listening");
    const where = taken.address();
    const port = typeof where === "object" ? where?.port : 0;
    await expect(create({ listen: `127.0.0.1:${port}` }).start()).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
  });

  it("can listen on the port of a server that has ended", async () => {
    const address = await freeAddress();
    const first = await start({ listen: address });
    await statsOf(clientOf(address));
    await first.close();
    expect(await create({ listen: address }).start()).toBe(address);
  });

  it("starts once, however often it is asked to", async () => {
    const threads = create();
    const [first, second] = await Promise.all([threads.start(), threads.start()]);
    expect(second).toBe(first);
    expect(await threads.start()).toBe(first);
    expect((await statsOf(clientOf(first))).connections).toBe(1n);
  });

  it.each(["close", "drain"] as const)("does not start when %s() came before it was done", async (end) => {
    const threads = create();
    const starting = threads.start();
    const refused = expect(starting).rejects.toThrow("closed before it had started");
    await threads[end]();
    await refused;
    await expect(threads.start()).rejects.toThrow("closed before it had started");
    expect(() => threads.address).toThrow("has not started");
  });

  it("drains all of its workers at once: streams get Draining, and then the port is free", async () => {
    const address = await freeAddress();
    const threads = await start({ listen: address, transport: { drainMaxMs: 2_000 } });
    const streams = await Promise.all(
      Array.from({ length: MANY }, async () => {
        const client = clientOf(address);
        return { client, stream: await openStream(client) };
      }),
    );
    const told = streams.map(async ({ client, stream }) => {
      for (;;) {
        const [{ frame }] = await once(stream, "data");
        if (frame.case === "draining") break;
      }
      client.close();
    });
    const drained = threads.drain();
    expect(threads.drain()).toBe(drained);
    await Promise.all(told);
    await drained;
    const again = await create({ listen: address }).start();
    expect(again).toBe(address);
  });

  it("ends waits in time on the last worker, although the others have drained", async () => {
    const { callsOf, ...listening } = listenToCalls();
    const threads = await start(listening);
    // A connection that is not on the first worker, which maintains the store.
    const elsewhere = async (): Promise<ServiceClient> => {
      const client = clientOf(threads.address);
      const before = callsOf.flat().length;
      const ofFirst = callsOf[0]?.length;
      await statsOf(client);
      await until(
        async () => callsOf.flat().length,
        (calls) => calls > before,
      );
      if (callsOf[0]?.length === ofFirst) return client;
      client.close();
      return elsewhere();
    };
    const client = await elsewhere();
    const lease = { namespace: "users", key: "slow", leaseMs: 60_000, waitMs: 1_000 };
    await client.unary(CacheService.method.lease, lease);
    const waiting = client.unary(CacheService.method.lease, lease);
    await statsOf(client);
    const drained = threads.drain();
    expect((await waiting).outcome.case).toBe("held");
    client.close();
    await drained;
  });

  it("ends the streams of clients that do not leave, within drainMaxMs", async () => {
    const threads = await start({ transport: { drainMaxMs: 400 } });
    const stream = await openStream(clientOf(threads.address));
    const failed = new Promise<{ details: string }>((resolve) => stream.on("error", resolve));
    const before = performance.now();
    await threads.drain();
    expect(performance.now() - before).toBeLessThan(3_000);
    expect((await failed).details).toContain("shutting down");
  });
});

describe("a worker that crashes", () => {
  const crashing = (death: Script["death"], thread: number): Partial<ServerThreadsOptions> => ({
    entry: scriptedThread,
    extraFor: (one) => ({ value: one === thread ? { death } : {}, transfer: [] }),
  });

  it.each([
    ["throw", /planted fault/],
    ["exit", /exited with 7/],
  ] as const)("makes start() reject when it cannot begin (%s)", async (by, message) => {
    const threads = create(crashing({ at: "birth", by }, 1));
    const error = await threads.start().catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(WorkerCrash);
    expect(error).toMatchObject({ thread: 1, message: expect.stringMatching(message) });
    expect(await threads.crashed).toBe(error);
  });

  it.each([
    ["throw", /planted fault/],
    ["rejection", /planted rejection/],
    ["exit", /exited with 7/],
  ] as const)("ends the others, and its cause is known (%s)", async (by, message) => {
    const threads = await start({
      ...crashing({ at: "Get", by }, 0),
      workers: 2,
    });
    const crashed = threads.crashed;
    // Until one reaches the worker that crashes on it.
    const ask = () =>
      clientOf(threads.address)
        .unary(CacheService.method.get, { namespace: "users", key: "1" })
        .catch(() => undefined);
    const asking = setInterval(ask, 50);
    const why = await crashed;
    clearInterval(asking);
    expect(why).toBeInstanceOf(WorkerCrash);
    expect(why).toMatchObject({ thread: 0, message: expect.stringMatching(message) });
    await until(
      () =>
        new Promise<unknown>((resolve) => {
          const socket = connectPlain(portOf(threads.address), "127.0.0.1");
          socket.once("error", resolve).once("connect", () => {
            socket.destroy();
            resolve(undefined);
          });
        }),
      (error) => error !== undefined,
    );
  });

  // Node ends the thread with its cause when it can. V8 aborts the whole process when an allocation does not fit into what
  // is left: either way the process does not go on with what the worker left behind.
  it("ends the process when it has no memory left", async () => {
    const script = new URL("../../support/worker-without-memory.ts", import.meta.url);
    const child = spawn(process.execPath, [fileURLToPath(script)], { stdio: ["ignore", "pipe", "pipe"] });
    const [output, errors, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "exit"),
    ]);
    if (signal === "SIGABRT") expect(errors).toContain("heap limit");
    else expect([code, output]).toEqual([0, expect.stringMatching(/^worker thread 0 ended: .*memory limit/)]);
  });
});
