/** A MeshCache client as a replay drives it. */
import { bytes, type Entry, type EntrySource, MeshCache } from "../../index.ts";
import type { TraceObject } from "./trace.ts";

export interface MeshRead {
  readonly value: Uint8Array;
  readonly source: EntrySource;
}

export interface MeshClient {
  /** As cache-aside: what the near cache, the server or else `load` gives. Fails when no server answers. */
  read(object: TraceObject, load: () => Promise<Uint8Array>): Promise<MeshRead>;
  invalidateKey(object: TraceObject): Promise<void>;
  invalidateTag(object: TraceObject): Promise<void>;
  /** Resolves when everything invalidated before is gone from the near cache. */
  sync(): Promise<void>;
  /** What the near cache did, counted from the start. */
  nearCounts(): NearCounts;
  close(): Promise<void>;
}

/** As in the client's own statistics. */
export type NearCounts = Pick<ReturnType<MeshCache["stats"]>["near"], "invalidated" | "evicted">;

export interface MeshClientOptions {
  readonly address: string;
  readonly namespace: string;
  readonly clientId: string;
  readonly deadlineMs: number;
  readonly leaseMs: number;
}

export function createMeshClient({ namespace, ...options }: MeshClientOptions): MeshClient {
  return fromMeshCache(new MeshCache({ ...options, telemetry: { spans: false } }), namespace);
}

export function fromMeshCache(cache: MeshCache, namespace: string): MeshClient {
  const entries = cache.namespace(namespace, { codec: bytes() });
  return {
    async read({ key, tag }, load) {
      // Failing open would load everything by itself when the server is gone, and call it a success.
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
    close: () => cache.close(),
  };
}
