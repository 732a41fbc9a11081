/** Checks the check of a replay through clients: it must find each client that breaks a promise. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { replayThroughClients } from "../../../src/cli/replay/mesh.ts";
import { createMeshClient, fromMeshCache, type MeshClient } from "../../../src/cli/replay/mesh-client.ts";
import { createMeshTally, type MeshCounts } from "../../../src/cli/replay/mesh-tally.ts";
import { createOrigin, type Origin } from "../../../src/cli/replay/origin.ts";
import { createPayloads } from "../../../src/cli/replay/payload.ts";
import { createTrace } from "../../../src/cli/replay/trace.ts";
import { createHttp2Transport } from "../../../src/client/transport/http2-transport.ts";
import type { Transport } from "../../../src/client/transport/transport.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { type EntrySource, MeshCache } from "../../../src/index.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

let namespaces = 0;

interface Scene {
  readonly writer?: (client: MeshClient) => MeshClient;
  readonly reader?: (client: MeshClient) => MeshClient;
  readonly readerTransport?: Transport;
  readonly origin?: Origin;
  readonly leaseMs?: number;
}

const asItIs = (client: MeshClient): MeshClient => client;

async function replay(scene: Scene): Promise<MeshCounts> {
  const seed = 1;
  const rng = createSeededRng(seed);
  const ids = Buffer.alloc(4 * 3_000);
  for (let index = 0; index < ids.length; index += 4)
    ids.writeInt32BE(Math.floor(rng.fraction() ** 3 * 100), index);
  const trace = createTrace("generated", "web", ids);
  namespaces += 1;
  const namespace = `mesh-${namespaces}`;
  const options = { address: running.address, deadlineMs: 10_000, leaseMs: 5_000 };
  const writer = createMeshClient({ ...options, namespace, clientId: "writer" });
  const reader = scene.readerTransport
    ? fromMeshCache(new MeshCache(options, { transport: scene.readerTransport }), namespace)
    : createMeshClient({ ...options, namespace, clientId: "reader" });
  const tally = createMeshTally();
  try {
    await Promise.all([writer.sync(), reader.sync()]);
    await replayThroughClients(
      { trace, accesses: trace.accesses, concurrency: 16, batch: 1, writes: 0.1, tagWrites: 0.3 },
      {
        writer: (scene.writer ?? asItIs)(writer),
        reader: (scene.reader ?? asItIs)(reader),
        leaseMs: scene.leaseMs ?? 5_000,
        origin: scene.origin ?? createOrigin(),
        payloads: createPayloads(7n, seed, 64),
        rng,
        tally,
        interrupted: new AbortController().signal,
      },
    );
  } finally {
    await Promise.all([writer.close(), reader.close()]);
  }
  return tally.counts;
}

/** A client that returns the first value of each key for ever, as if from `source`. */
const remembering =
  (source: EntrySource) =>
  (client: MeshClient): MeshClient => {
    const kept = new Map<number, Uint8Array>();
    return {
      ...client,
      async read(object, load) {
        const value = kept.get(object.id);
        if (value !== undefined) return { value, source };
        const answer = await client.read(object, load);
        kept.set(object.id, answer.value);
        return answer;
      },
    };
  };

/** A link of a real client that loses every event without notice. */
function createDeafTransport(): Transport {
  const transport = createHttp2Transport(loudBoundary);
  return {
    open: (address, handlers) =>
      transport.open(address, {
        ...handlers,
        drained: () => handlers.drained(),
        goesAway: () => handlers.goesAway(),
        closed: (error) => handlers.closed(error),
        frame(response) {
          if (response.frame.case === "events") response.frame.value.events = [];
          handlers.frame(response);
        },
      }),
  };
}

/** An origin that ignores deliveries, so that only the lease bounds how old a near hit may be. */
function createUntoldOrigin(): Origin {
  const origin = createOrigin();
  return { ...origin, deliveredFloor: () => ({ ofKey: 0, ofTag: 0 }) };
}

describe("replayThroughClients()", () => {
  it("finds nothing wrong with two clients of one server", async () => {
    const counts = await replay({});
    expect(counts).toMatchObject({ accesses: 3_000, stale: 0, staleOwn: 0, wrong: 0 });
    expect(counts.near + counts.remote + counts.loader).toBe(counts.reads);
    expect(counts.reads + counts.keyWrites + counts.tagWrites).toBe(3_000);
    for (const part of [counts.near, counts.remote, counts.loader, counts.keyWrites, counts.tagWrites]) {
      expect(part).toBeGreaterThan(0);
    }
  });

  it("counts stale reads of a near cache that gets no invalidations", async () => {
    const counts = await replay({ readerTransport: createDeafTransport() });
    expect(counts.stale).toBeGreaterThan(0);
    expect(counts.staleOwn).toBe(0);
  });

  it("counts stale reads of a writer that does not read its own writes", async () => {
    const counts = await replay({ writer: remembering("near") });
    expect(counts.staleOwn).toBeGreaterThan(0);
    expect(counts.staleOwn).toBe(counts.stale);
  });

  it("counts an old answer of the server as stale at once", async () => {
    const scene = { origin: createUntoldOrigin(), leaseMs: Number.POSITIVE_INFINITY };
    expect((await replay({ ...scene, reader: remembering("remote") })).stale).toBeGreaterThan(0);
    const local = await replay({ ...scene, reader: remembering("near") });
    expect(local.stale).toBe(0);
    expect(local.behind).toBeGreaterThan(0);
    expect(local.behindMaxMs).toBeGreaterThan(0);
  });

  it("counts a near hit as stale that is behind by more than the lease", async () => {
    const counts = await replay({
      origin: createUntoldOrigin(),
      leaseMs: 1,
      reader: remembering("near"),
    });
    expect(counts.stale).toBeGreaterThan(0);
    expect(counts.behindMaxMs).toBeLessThanOrEqual(1);
  });

  it("counts values of another key as wrong", async () => {
    const mixing = (client: MeshClient): MeshClient => ({
      ...client,
      read: (object, load) => client.read({ ...object, key: object.key.slice(0, -1) }, load),
    });
    expect((await replay({ reader: mixing })).wrong).toBeGreaterThan(0);
  });

  it("ends with the first error of a client", async () => {
    const failing = (client: MeshClient): MeshClient => ({
      ...client,
      invalidateKey: () => Promise.reject(new Error("gone")),
    });
    await expect(replay({ writer: failing })).rejects.toThrow("gone");
  });
});
