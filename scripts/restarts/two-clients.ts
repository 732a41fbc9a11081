/** A trace that two clients with near caches replay while something happens to their servers. */
import { replayThroughClients } from "../../src/cli/replay/mesh.ts";
import { fromMeshCache } from "../../src/cli/replay/mesh-client.ts";
import { createMeshTally, type MeshCounts } from "../../src/cli/replay/mesh-tally.ts";
import { MESH_LEASE_MS } from "../../src/cli/replay/mesh-traffic.ts";
import { createOrigin } from "../../src/cli/replay/origin.ts";
import { createPayloads } from "../../src/cli/replay/payload.ts";
import type { Trace } from "../../src/cli/replay/trace.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { MeshCache } from "../../src/index.ts";
import { patient } from "../patient-client.ts";

const SEED = 1;

export class TwoClients {
  /** The first one writes. */
  readonly caches: readonly [writer: MeshCache, reader: MeshCache];
  /** Reads that were not answered, and asked again. */
  failedReads = 0;
  readonly #tally = createMeshTally();

  /** Where each of them connects. */
  constructor(writer: string | readonly string[], reader = writer) {
    const connect = (clientId: string, address: string | readonly string[]): MeshCache =>
      new MeshCache({
        ...{ address, clientId, plaintext: true, leaseMs: MESH_LEASE_MS },
        ...{ backoffMaxMs: 100, onEvent: () => undefined },
      });
    this.caches = [connect("writer", writer), connect("reader", reader)];
  }

  get counts(): Readonly<MeshCounts> {
    return this.#tally.counts;
  }

  /** Of each client. */
  get gaps(): readonly number[] {
    return this.caches.map((cache) => cache.stats().connection.gaps);
  }

  /** `onProgress`: after each access. `synced` of its argument resolves when both clients have what was invalidated before. */
  async replay(
    trace: Trace,
    accesses: number,
    onProgress: (synced: () => Promise<unknown>) => void,
  ): Promise<void> {
    const [writer, reader] = this.caches.map((cache) => {
      const client = fromMeshCache(cache, "replay");
      return patient(client, () => {
        this.failedReads += 1;
      });
    });
    if (writer === undefined || reader === undefined) throw new Error("there are two clients");
    const synced = () => Promise.all([writer.sync(), reader.sync()]);
    await synced();
    await replayThroughClients(
      { trace, accesses, concurrency: 16, batch: 1, writes: 0.02, tagWrites: 0.05 },
      {
        ...{
          writer,
          reader,
          leaseMs: MESH_LEASE_MS,
          tally: this.#tally,
          onProgress: () => onProgress(synced),
        },
        ...{ origin: createOrigin(), payloads: createPayloads(1n, SEED, 512), rng: createSeededRng(SEED) },
        interrupted: new AbortController().signal,
      },
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.caches.map((cache) => cache.close()));
  }
}
