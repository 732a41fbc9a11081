/** T4, scenario 34 over real sockets: what no server has acknowledged goes again, first, on the stream that comes next. */
import { afterEach, describe, expect, it } from "vitest";
import { json, MeshCache, type Namespace, QueuedInvalidationError, type Target } from "../../src/index.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type RunningServer, startServer, startTwoServers } from "../support/running-server.ts";
import { withTestTls } from "../support/test-tls.ts";
import { testProxy } from "../support/test-workers.ts";
import { until } from "../support/until.ts";

const codec = json<string>();
const TAGS = ["tenant:7"];
/** Longer than a test may take: nothing is found out by time, and no replaced stream is cut. */
const LONG_MS = 50_000;

const targets: readonly [string, Target][] = [
  ["a key", { keys: ["k"] }],
  ["a tag", { tags: TAGS }],
  ["a prefix", { prefix: "k" }],
  ["the namespace", { all: true }],
];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function cleanUp(...servers: readonly RunningServer[]): void {
  for (const server of servers) cleanups.push(() => server.stop());
}

async function stand(running: RunningServer): Promise<FaultProxy> {
  const proxy = await startFaultProxy(running.address);
  cleanups.push(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

interface Client {
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
}

function join(...address: string[]): Client {
  const cache = new MeshCache({ address, ...withTestTls, silenceMaxMs: LONG_MS, leaseMs: LONG_MS });
  cleanups.push(() => cache.close({ graceMs: 0 }));
  return { cache, users: cache.namespace("users", { codec }) };
}

/** Both have "k" as a copy. */
async function fill(writer: Client, reader: Client): Promise<void> {
  await writer.users.set("k", "old row", { tags: TAGS });
  for (const { users } of [writer, reader]) {
    await until(
      () => users.entry("k"),
      ({ source }) => source === "near",
    );
  }
}

/**
 * Invalidates while everything that the client sends is swallowed: it is sent, and sent again, on this stream. Again, if the
 * client has moved to the next one meanwhile. Returns how many streams it has had.
 */
async function invalidateInVain(
  proxy: FaultProxy,
  { cache, users }: Client,
  target: Target,
): Promise<number> {
  await until(
    async () => {
      proxy.swallowRequests();
      const error: unknown = await users.invalidate(target, { deadlineMs: 20 }).catch((reason) => reason);
      return error instanceof QueuedInvalidationError ? cache.stats().invalidations.waiting : 0;
    },
    (waiting) => waiting === 1,
  );
  return cache.stats().connection.streams;
}

/** The client has another stream than these, and what it asks for there is answered: what was queued went before that. */
async function moved({ cache, users }: Client, streams: number): Promise<void> {
  await until(
    async () => cache.stats().connection.streams,
    (count) => count > streams,
  );
  await users.get("other", { maxStalenessMs: 0 });
}

async function expectGone(...clients: readonly Client[]): Promise<void> {
  for (const { cache, users } of clients) {
    await cache.sync();
    expect((await users.get("k")).kind).toBe("miss");
  }
}

// Behind a proxy the connections to the servers are the proxy's.
describe.skipIf(testProxy).each(targets)(
  "T4: a queued invalidation of %s that was under way on a stream that is replaced",
  (_what, target) => {
    it("scenario 34: takes effect by the next stream when its server drains", async () => {
      const [first, second] = await startTwoServers({ transport: { drainMaxMs: LONG_MS } }, {});
      cleanUp(first, second);
      const proxy = await stand(first);
      const [writer, reader] = [join(proxy.address, second.address), join(second.address)];
      await fill(writer, reader);
      const streams = await invalidateInVain(proxy, writer, target);
      void first.server.drain();
      await moved(writer, streams);
      await expectGone(reader, writer);
      expect(writer.cache.stats()).toMatchObject({
        connection: { failures: 0 },
        invalidations: { waiting: 0 },
      });
    });

    it("scenario 34: takes effect by the next stream when its connection has reached its age", async () => {
      const transport = { connectionAgeMs: 1_000, connectionGraceMs: LONG_MS };
      const running = await startServer({ transport });
      cleanUp(running);
      const proxy = await stand(running);
      const [writer, reader] = [join(proxy.address), join(running.address)];
      await fill(writer, reader);
      const streams = await invalidateInVain(proxy, writer, target);
      await moved(writer, streams);
      await expectGone(reader, writer);
      expect(writer.cache.stats()).toMatchObject({
        connection: { failures: 0 },
        invalidations: { waiting: 0 },
      });
    });
  },
);
