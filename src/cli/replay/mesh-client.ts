/** The operations of a MeshCache client that a replay uses. */
import { bytes, type ClientTlsOptions, type Entry, type EntrySource, MeshCache } from "../../index.ts";
import type { TraceObject } from "./trace.ts";

export interface MeshRead {
  readonly value: Uint8Array;
  readonly source: EntrySource;
}

export interface MeshClient {
  /** The value from the near cache, else from the server, else from `load`. Rejects when no server answers. */
  read(object: TraceObject, load: () => Promise<Uint8Array>): Promise<MeshRead>;
  invalidateKey(object: TraceObject): Promise<void>;
  invalidateTag(object: TraceObject): Promise<void>;
  /** Resolves when everything that was invalidated before has left the near cache. */
  sync(): Promise<void>;
  /** The counters of the near cache, since the start. */
  nearCounts(): NearCounts;
  close(): Promise<void>;
}

/** As in the statistics of the client. */
export type NearCounts = Pick<ReturnType<MeshCache["stats"]>["near"], "invalidated" | "evicted">;

export interface MeshClientOptions {
  readonly address: string;
  readonly namespace: string;
  readonly clientId: string;
  readonly deadlineMs: number;
  readonly leaseMs: number;
  readonly tls?: ClientTlsOptions;
  readonly token?: () => string;
}

export function createMeshClient({ namespace, ...options }: MeshClientOptions): MeshClient {
  return fromMeshCache(
    // Whether the token may go there was checked before.
    new MeshCache({ ...options, plaintext: true, telemetry: { spans: false }, onEvent: () => undefined }),
    namespace,
  );
}

export function fromMeshCache(cache: MeshCache, namespace: string): MeshClient {
  const entries = cache.namespace(namespace, { codec: bytes() });
  return {
    async read({ key, tag }, load) {
      // Otherwise a replay without a server would load everything, and succeed.
      const entry: Entry<Uint8Array> = await entries.entry(key, {
        loader: load,
        tags: [tag],
        failOpen: false,
      });
      if (entry.kind !== "hit") throw new TypeError("a load ended without a value");
      return { value: entry.value, source: entry.source };
    },
    async invalidateKey({ key }) {
      await entries.invalidate({ keys: [key] });
    },
    async invalidateTag({ tag }) {
      await entries.invalidate({ tags: [tag] });
    },
    sync: () => cache.sync(),
    nearCounts: () => cache.stats().near,
    close: async () => {
      await cache.close();
    },
  };
}
