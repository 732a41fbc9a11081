/**
 * Scenario 34, T4: an invalidation that no server acknowledges is queued until one does. The writer has an address of its own,
 * so that it can be cut off while others are connected.
 */
import { describe, expect, it } from "vitest";
import { InvalidateRequest_Mode } from "../../gen/meshcache/v1/cache_pb.ts";
import {
  CacheError,
  type ClientOptions,
  type InvalidateOptions,
  json,
  type MeshCache,
  type Namespace,
  QueuedInvalidationError,
  type Target,
} from "../../src/index.ts";
import { Mesh, type MeshLink } from "../support/mesh.ts";
import {
  createScriptedClient,
  hit,
  invalidated,
  miss,
  NAMESPACE,
  type ScriptedClient,
  stored,
} from "../support/scripted-client.ts";
import type { ScriptedBatch } from "../support/scripted-server.ts";

const WRITER = "writer:1";
const TAGS = ["tenant:7"];

interface Client {
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
}

function join(mesh: Mesh, options: Partial<ClientOptions> = {}): Client {
  const cache = mesh.connect({ backoffMaxMs: 100, ...options });
  return { cache, users: cache.namespace(NAMESPACE, { codec: json<string>(), staleMs: 0 }) };
}

/** A writer and a reader that both have "k" = "old row" as a copy. */
async function joined(options: Partial<ClientOptions> = {}) {
  const mesh = new Mesh();
  const writer = join(mesh, { address: WRITER, ...options });
  const reader = join(mesh);
  await mesh.run(writer.users.set("k", "old row", { tags: TAGS, ttlMs: 60_000, staleMs: 60_000 }));
  await mesh.run(reader.users.get("k"));
  return { mesh, writer, reader };
}

const linksOf = (mesh: Mesh, address: string): MeshLink[] =>
  mesh.links.filter((link) => link.address === address && !link.over);

/** Whether connections of the writer are refused from now on. */
async function cutOff(mesh: Mesh): Promise<void> {
  mesh.down.add(WRITER);
  for (const link of linksOf(mesh, WRITER)) link.reset();
  await mesh.settle();
}

async function reconnect(mesh: Mesh): Promise<void> {
  mesh.down.delete(WRITER);
  while (linksOf(mesh, WRITER).length === 0) await mesh.advance(10, 10);
}

const read = async (mesh: Mesh, { users }: Client): Promise<string> => {
  const entry = await mesh.run(users.entry("k"));
  return entry.kind === "hit" ? `${entry.value} (${entry.source})` : entry.kind;
};

const errorOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

const targets: readonly [string, Target, InvalidateOptions][] = [
  ["a key", { keys: ["k"] }, {}],
  ["a tag", { tags: TAGS }, {}],
  ["a prefix", { prefix: "k" }, {}],
  ["the namespace", { all: true }, {}],
  ["a key, softly", { keys: ["k"] }, { soft: true }],
  ["a tag, softly", { tags: TAGS }, { soft: true }],
  ["the namespace, softly", { all: true }, { soft: true }],
  ["a key with a source version", { keys: ["k"] }, { sourceVersion: 2n }],
];

describe("T4: an invalidation without a connection", () => {
  it.each(targets)(
    "scenario 34: takes effect as soon as the writer is back: %s",
    async (_what, target, how) => {
      const { mesh, writer, reader } = await joined();
      await cutOff(mesh);
      await mesh.advance(500);
      const invalidating = writer.users.invalidate(target, { ...how, deadlineMs: 10_000 });
      await mesh.advance(3_000);
      expect(await read(mesh, reader)).toBe("old row (near)");
      await reconnect(mesh);
      const atMs = mesh.clock.nowMs();
      await mesh.settle();
      expect(await read(mesh, reader)).toBe("miss");
      expect(await read(mesh, writer)).toBe("miss");
      // Not a millisecond after the writer was back.
      expect(mesh.clock.nowMs()).toBe(atMs);
      await invalidating;
      expect(writer.cache.stats().invalidations).toMatchObject({ waiting: 0, refused: 0, overflows: 0 });
    },
  );

  it("scenario 34: removes the copies of its process at once", async () => {
    const { mesh, writer } = await joined();
    await cutOff(mesh);
    void errorOf(writer.users.invalidate({ tags: TAGS }));
    expect(writer.cache.stats().near.entries).toBe(0);
    expect(writer.cache.stats().invalidations.waiting).toBe(0);
    await mesh.settle();
    expect(writer.cache.stats().invalidations).toMatchObject({ waiting: 1, queued: 1 });
  });

  it("scenario 34: that was sent and got no answer is the same", async () => {
    const { mesh, writer, reader } = await joined();
    for (const link of linksOf(mesh, WRITER)) link.holdRequests = true;
    const invalidating = writer.users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 });
    await mesh.settle();
    await cutOff(mesh);
    await mesh.advance(3_000);
    expect(await read(mesh, reader)).toBe("old row (near)");
    await reconnect(mesh);
    expect(await mesh.run(invalidating)).toEqual({ removed: 1 });
    expect(await read(mesh, reader)).toBe("miss");
  });

  it("scenario 34: may take effect twice without harm, when only its answer was lost", async () => {
    const { mesh, writer, reader } = await joined();
    for (const link of linksOf(mesh, WRITER)) link.holdResponses = true;
    const invalidating = writer.users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 });
    await mesh.settle();
    expect(await read(mesh, reader)).toBe("miss");
    await cutOff(mesh);
    await reconnect(mesh);
    expect(await mesh.run(invalidating)).toEqual({ removed: 0 });
  });

  it("scenario 34: rejects with queued at its deadline, and still takes effect", async () => {
    const { mesh, writer, reader } = await joined();
    await cutOff(mesh);
    const failed = errorOf(writer.users.invalidate({ keys: ["k"] }, { deadlineMs: 300 }));
    await mesh.advance(299);
    expect(writer.cache.stats().invalidations.waiting).toBe(1);
    await mesh.advance(1);
    const error = await failed;
    expect(error).toBeInstanceOf(QueuedInvalidationError);
    expect(error).toMatchObject({ reason: "DEADLINE", queued: true, cause: { reason: "UNAVAILABLE" } });
    expect(writer.cache.stats().invalidations.waiting).toBe(1);
    await reconnect(mesh);
    await mesh.settle();
    expect(await read(mesh, reader)).toBe("miss");
    expect(writer.cache.stats().invalidations.waiting).toBe(0);
  });

  it("scenario 34: goes on when its caller gives up by a signal", async () => {
    const { mesh, writer, reader } = await joined();
    await cutOff(mesh);
    const giveUp = new AbortController();
    const failed = errorOf(writer.users.invalidate({ keys: ["k"] }, { signal: giveUp.signal }));
    await mesh.settle();
    giveUp.abort();
    expect(await failed).toMatchObject({ reason: "CANCELLED", queued: true });
    const early = errorOf(writer.users.invalidate({ keys: ["other"] }, { signal: AbortSignal.abort() }));
    expect(await early).toMatchObject({ reason: "CANCELLED" });
    expect(await early).not.toBeInstanceOf(QueuedInvalidationError);
    await reconnect(mesh);
    await mesh.settle();
    expect(await read(mesh, reader)).toBe("miss");
  });

  it("scenario 34: prevents that a load from before it is kept", async () => {
    const { mesh, writer, reader } = await joined();
    await mesh.run(writer.users.invalidate({ all: true }));
    const source = Promise.withResolvers<string>();
    const loading = writer.users.getOrLoad("k", () => source.promise);
    await mesh.settle();
    await cutOff(mesh);
    void errorOf(writer.users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 }));
    source.resolve("old row");
    await mesh.settle();
    await reconnect(mesh);
    expect(await mesh.run(loading)).toBe("old row");
    expect(await read(mesh, reader)).toBe("miss");
    expect(await read(mesh, writer)).toBe("miss");
  });

  it("scenario 34: is of no more use to a client that was closed, which says so", async () => {
    const { mesh, writer } = await joined();
    await cutOff(mesh);
    const failed = [
      errorOf(writer.users.invalidate({ keys: ["k", "l"] }, { deadlineMs: 60_000 })),
      errorOf(writer.users.invalidate({ tags: TAGS }, { deadlineMs: 60_000, soft: true })),
      errorOf(writer.users.invalidate({ keys: ["m"] }, { deadlineMs: 60_000, sourceVersion: 7n })),
    ];
    await mesh.settle();
    const closing = writer.cache.close({ graceMs: 500 });
    await mesh.advance(500);
    const invalidation = { namespace: NAMESPACE, soft: false, sourceVersion: 0n };
    expect(await mesh.run(closing)).toEqual({
      unacknowledged: [
        { ...invalidation, target: { keys: ["k", "l"] } },
        { ...invalidation, target: { tags: TAGS }, soft: true },
        { ...invalidation, target: { keys: ["m"] }, sourceVersion: 7n },
      ],
    });
    for (const error of await Promise.all(failed)) expect(error).toMatchObject({ reason: "CLOSED" });
  });

  it("scenario 34: gets the grace of a client that is closed to be sent", async () => {
    const { mesh, writer, reader } = await joined();
    await cutOff(mesh);
    const invalidating = writer.users.invalidate({ keys: ["k"] });
    await mesh.settle();
    const closing = writer.cache.close({ graceMs: 1_000 });
    await mesh.advance(200);
    mesh.down.delete(WRITER);
    await mesh.advance(200);
    expect(await mesh.run(closing)).toEqual({ unacknowledged: [] });
    await invalidating;
    expect(await read(mesh, reader)).toBe("miss");
  });

  it("scenario 34: is reported by close() when it was under way", async () => {
    const { mesh, writer } = await joined();
    for (const link of linksOf(mesh, WRITER)) link.holdRequests = true;
    const failed = errorOf(writer.users.invalidate({ prefix: "k" }));
    await mesh.settle();
    const closing = writer.cache.close({ graceMs: 0 });
    mesh.clock.advance(0);
    await mesh.settle();
    mesh.clock.advance(0);
    expect(await closing).toMatchObject({ unacknowledged: [{ target: { prefix: "k" } }] });
    expect(await failed).toMatchObject({ reason: "CLOSED" });
  });
});

/** A client of a scripted server, with a stream. */
async function scripted(options: Partial<ClientOptions> = {}): Promise<ScriptedClient & Client> {
  const client = createScriptedClient(options);
  const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
  await client.settle();
  return { ...client, users };
}

async function nextLink({ server, clock, settle }: ScriptedClient) {
  const { links } = server;
  const before = links.length;
  while (links.length === before) {
    clock.advance(10);
    await settle();
  }
  await settle();
  return server.link;
}

const kindsOf = ({ operations }: ScriptedBatch) => operations.map(({ operation }) => operation.case);

describe("T4: the queue of invalidations", () => {
  it("scenario 34: goes before all that waits for the next stream", async () => {
    const client = await scripted();
    const { users, server, settle } = client;
    server.link.reset();
    void errorOf(users.get("a", { deadlineMs: 10_000 }));
    void errorOf(users.getOrLoad("b", () => "loaded"));
    await settle();
    void errorOf(users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 }));
    await settle();
    const link = await nextLink(client);
    expect(kindsOf(link.takeBatch())).toEqual(["invalidate", "get", "lease"]);
  });

  it("scenario 34: goes first also when it was sent before, behind calls that were too", async () => {
    const client = await scripted();
    const { users, server, settle } = client;
    void errorOf(users.get("a", { deadlineMs: 10_000 }));
    void errorOf(users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 }));
    await settle();
    expect(kindsOf(server.link.takeBatch())).toEqual(["get", "invalidate"]);
    server.link.reset();
    await settle();
    const link = await nextLink(client);
    expect(kindsOf(link.takeBatch())).toEqual(["invalidate", "get"]);
  });

  it("scenario 34: outlives a Set of its process that was asked for before it", async () => {
    const client = await scripted();
    const { users, server, settle } = client;
    void errorOf(users.set("k", "old row", { deadlineMs: 10_000 }));
    await settle();
    server.link.takeBatch();
    server.link.reset();
    const invalidating = users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 });
    await settle();
    const link = await nextLink(client);
    const batch = link.takeBatch();
    expect(kindsOf(batch)).toEqual(["invalidate", "set", "invalidate"]);
    batch.answer(invalidated({ revision: 5 }), stored({ revision: 6 }), invalidated({ revision: 7 }));
    expect(await invalidating).toEqual({ removed: 1 });
    expect(client.cache.stats().near.entries).toBe(0);
  });

  it("scenario 34: keeps nothing that was read before its answer", async () => {
    const client = await scripted();
    const { users, server, settle } = client;
    server.link.reset();
    void errorOf(users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 }));
    const reading = users.get("k", { deadlineMs: 10_000 });
    await settle();
    const link = await nextLink(client);
    link.takeBatch().answer(invalidated({ revision: 7 }), hit("older", { revision: 6 }));
    await reading;
    expect(client.cache.stats().near.entries).toBe(0);
  });

  it("scenario 34: merges the invalidations of one name", async () => {
    const client = await scripted();
    const { users, server, settle } = client;
    server.link.reset();
    const waits = { deadlineMs: 10_000 };
    const calls = [
      ...Array.from({ length: 1_000 }, () => users.invalidate({ keys: ["k"] }, waits)),
      users.invalidate({ keys: ["l", "k"] }, waits),
      users.invalidate({ tags: ["t"] }, waits),
      users.invalidate({ tags: ["t", "u"] }, waits),
      users.invalidate({ keys: ["v"] }, { ...waits, sourceVersion: 9n }),
      users.invalidate({ keys: ["v"] }, { ...waits, sourceVersion: 7n }),
    ];
    await settle();
    expect(client.cache.stats().invalidations.waiting).toBe(5);
    const link = await nextLink(client);
    const batch = link.takeBatch();
    expect(batch.operations.map(({ operation }) => operation.value)).toMatchObject([
      { target: { value: { keys: ["k", "l"] } } },
      { target: { value: { tags: ["t", "u"] } } },
      { target: { value: { keys: ["v"] } }, sourceVersion: 9n },
    ]);
    batch.answer(invalidated({ revision: 1 }), invalidated({ revision: 2 }), invalidated({ revision: 3 }));
    // Whose removals they were is known for nobody.
    expect(new Set((await Promise.all(calls)).map(({ removed }) => removed))).toEqual(new Set([0]));
  });

  it("scenario 34: sends thousands of names in few operations, none of which waits for the answer to another", async () => {
    const client = await scripted();
    const { users, server, settle } = client;
    server.link.reset();
    const calls = Array.from({ length: 3_000 }, (_, index) =>
      users.invalidate({ keys: [`key:${index}`] }, { deadlineMs: 10_000 }),
    );
    await settle();
    const link = await nextLink(client);
    const batches = Array.from({ length: link.batchesWaiting }, () => link.takeBatch());
    const operations = batches.flatMap((batch) => batch.operations.map(({ operation }) => operation.value));
    const keys = operations.map((value) =>
      value !== undefined && "target" in value && value.target.case === "keys"
        ? value.target.value.keys.length
        : 0,
    );
    expect(keys).toEqual([1_024, 1_024, 952]);
    for (const batch of batches) batch.answer(...batch.operations.map(() => invalidated({ revision: 1 })));
    await Promise.all(calls);
    expect(client.cache.stats().invalidations.waiting).toBe(0);
  });

  it.each([
    ["names", { queuedInvalidationsMaxNames: 10 }, false],
    ["names, all soft", { queuedInvalidationsMaxNames: 10 }, true],
    ["bytes", { queuedInvalidationsMaxBytes: 65_536 }, false],
  ])(
    "scenario 34: becomes a clear of the namespace when there are too many %s",
    async (_what, bound, soft) => {
      const client = await scripted(bound);
      const { cache, users, server, settle } = client;
      const others = cache.namespace("others");
      await settle();
      server.link.reset();
      const waits = { deadlineMs: 10_000, soft };
      const keys = Array.from({ length: 400 }, (_, index) => `key:${index}`);
      const calls = [
        others.invalidate({ keys: ["small"] }, waits),
        users.invalidate({ keys }, waits),
        users.invalidate({ tags: ["t"] }, { ...waits, soft: true }),
      ];
      await settle();
      expect(cache.stats().invalidations).toMatchObject({ waiting: 2, overflows: 1 });
      const link = await nextLink(client);
      const batch = link.takeBatch();
      const mode = soft ? InvalidateRequest_Mode.SOFT : InvalidateRequest_Mode.HARD;
      const values = batch.operations.map(({ operation }) => operation.value);
      // A batch says the namespace of its first operation once.
      expect(values).toMatchObject([
        { namespace: "", target: { value: { keys: ["small"] } }, mode },
        { namespace: NAMESPACE, target: { case: "all" }, mode },
      ]);
      batch.answer(invalidated({ revision: 1 }), invalidated({ revision: 2 }));
      await Promise.all(calls);
      expect(cache.stats().invalidations.waiting).toBe(0);
    },
  );

  it("scenario 34: sends again, on a stream that goes on, what got no answer by its deadline", async () => {
    const client = await scripted();
    const { users, server, settle, clock } = client;
    const failed = errorOf(users.invalidate({ keys: ["k"] }, { deadlineMs: 100 }));
    await settle();
    server.link.takeBatch();
    clock.advance(100);
    await settle();
    expect(await failed).toMatchObject({ reason: "DEADLINE", queued: true });
    expect(client.cache.stats().invalidations.waiting).toBe(1);
    server.link.takeBatch().answer(invalidated({ revision: 1 }));
    await settle();
    expect(client.cache.stats().invalidations.waiting).toBe(0);
  });

  it("scenario 34: merges what waits for a stream that takes no more, and lets no read overtake it", async () => {
    const client = await scripted({ queuedInvalidationsMaxNames: 2 });
    const { users, server, settle, clock } = client;
    server.link.writable = false;
    await settle();
    void errorOf(users.get("filler", { deadlineMs: 10_000 }));
    await settle();
    server.link.takeBatch();
    const failed = ["a", "b", "c"].map((key) =>
      errorOf(users.invalidate({ keys: [key] }, { deadlineMs: 50 })),
    );
    clock.advance(50);
    await Promise.all(failed);
    void errorOf(users.get("k", { deadlineMs: 10_000 }));
    await settle();
    expect(server.link.batchesWaiting).toBe(0);
    expect(client.cache.stats().invalidations).toMatchObject({ waiting: 1, overflows: 1 });
    server.link.drained();
    await settle();
    expect(kindsOf(server.link.takeBatch())).toEqual(["invalidate", "get"]);
  });

  it("scenario 34: tells the callers what a server refuses for good, and asks again what it may take later", async () => {
    const client = await scripted();
    const { users, server, settle, clock } = client;
    server.link.reset();
    const refused = errorOf(users.invalidate({ keys: ["k"] }, { deadlineMs: 10_000 }));
    const delayed = users.invalidate({ tags: ["t"] }, { deadlineMs: 10_000 });
    await settle();
    const link = await nextLink(client);
    link
      .takeBatch()
      .answer(
        { case: "error", value: { code: 3, message: "never" } },
        { case: "error", value: { code: 8, message: "later" } },
      );
    expect(await refused).toBeInstanceOf(CacheError);
    expect(await refused).not.toBeInstanceOf(QueuedInvalidationError);
    expect(client.cache.stats().invalidations).toMatchObject({ waiting: 1, refused: 1 });
    clock.advance(1_000);
    await settle();
    link.takeBatch().answer(invalidated({ revision: 1 }));
    expect(await delayed).toEqual({ removed: 1 });
  });

  it("scenario 34: lets no read overtake what a server did not take, on a stream that goes on", async () => {
    const client = await scripted();
    const { users, server, settle, clock } = client;
    const failed = errorOf(users.invalidate({ keys: ["k"] }, { deadlineMs: 100 }));
    await settle();
    server.link.takeBatch();
    clock.advance(100);
    await settle();
    expect(await failed).toMatchObject({ queued: true });
    server.link
      .takeBatch()
      .answer({ case: "error", value: { code: 14, message: "the engine elects another node" } });
    await settle();
    expect(server.link.batchesWaiting).toBe(0);
    clock.advance(5);
    const read = users.get("k");
    await settle();
    const batch = server.link.takeBatch();
    expect(kindsOf(batch)).toEqual(["invalidate", "get"]);
    batch.answer(invalidated({ revision: 2 }), miss({ revision: 2 }));
    await read;
    await settle();
    expect(client.cache.stats().invalidations.waiting).toBe(0);
  });

  it("scenario 34: spares a server that did not take many names the next sending of all for a while", async () => {
    const client = await scripted();
    const { users, server, settle, clock } = client;
    const keys = Array.from({ length: 500 }, (_, number) => `k${number}`);
    const failed = errorOf(users.invalidate({ keys }, { deadlineMs: 100 }));
    await settle();
    server.link.takeBatch();
    clock.advance(100);
    await settle();
    expect(await failed).toMatchObject({ queued: true });
    const refusal = {
      case: "error",
      value: { code: 14, message: "the engine elects another node" },
    } as const;
    server.link.takeBatch().answer(refusal);
    await settle();
    clock.advance(49);
    const early = users.get("k1000");
    await settle();
    const alone = server.link.takeBatch();
    expect(kindsOf(alone)).toEqual(["get"]);
    alone.answer(miss({ revision: 1 }));
    await early;
    clock.advance(1);
    const late = users.get("k1001");
    await settle();
    const both = server.link.takeBatch();
    expect(kindsOf(both)).toEqual(["invalidate", "get"]);
    both.answer(invalidated({ revision: 2 }), miss({ revision: 2 }));
    await late;
  });
});
