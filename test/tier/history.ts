/**
 * Writers and readers of some keys over servers of one tier, and what is wrong with what they saw: a value older than one that was
 * acknowledged before, a copy older than the lease allows, a revision that two writes had.
 */
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { MeshCache } from "../../src/index.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";

const { method } = CacheService;
const NAMESPACE = "history";
const CALL_MAX_MS = 5_000;
/** Of near caches: how old a copy may be. */
const LEASE_MS = 2_000;

interface Written {
  readonly value: number;
  readonly atMs: number;
}

export class History {
  readonly faults: string[] = [];
  readonly counts = { written: 0, failed: 0, hits: 0, misses: 0, nearReads: 0 };
  readonly #keys: readonly string[];
  /** Acknowledged, by key. */
  readonly #written = new Map<string, Written[]>();
  readonly #revisions = new Set<string>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #caches: MeshCache[] = [];

  constructor(keys = 24) {
    this.#keys = Array.from({ length: keys }, (_, index) => `key-${index}`);
  }

  /** One writer for each key, each with another of the clients. */
  write(clients: readonly ServiceClient[]): void {
    for (const [index, key] of this.#keys.entries()) {
      const client = clients[index % clients.length];
      if (client !== undefined) this.#running.push(this.#writeKey(client, key));
    }
  }

  /** Reads every key again and again, always from the engine. */
  read(client: ServiceClient): void {
    this.#running.push(this.#readKeys(client));
  }

  /** Reads every key through a near cache. */
  readNear(address: string): void {
    const cache = new MeshCache({ address, leaseMs: LEASE_MS, onEvent: () => {} });
    this.#caches.push(cache);
    this.#running.push(this.#readCopies(cache));
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    await Promise.all(this.#caches.map((cache) => cache.close({ graceMs: 0 })));
  }

  async #writeKey(client: ServiceClient, key: string): Promise<void> {
    for (let value = 1; !this.#stop.signal.aborted; value++) {
      try {
        const { asOf } = await client.unary(
          method.set,
          { namespace: NAMESPACE, key, value: Buffer.from(String(value)) },
          { timeoutMs: CALL_MAX_MS },
        );
        this.counts.written += 1;
        this.#written.set(key, [...(this.#written.get(key) ?? []).slice(-200), { value, atMs: now() }]);
        const revision = `${asOf?.epoch}/${asOf?.shard}/${asOf?.revision}`;
        if (this.#revisions.has(revision)) this.faults.push(`${key}: revision ${revision} was used twice`);
        this.#revisions.add(revision);
      } catch {
        this.counts.failed += 1;
      }
      await pause();
    }
  }

  async #readKeys(client: ServiceClient): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const key of this.#keys) {
        const least = this.#written.get(key)?.at(-1)?.value ?? 0;
        const found = await client
          .unary(method.get, { namespace: NAMESPACE, key }, { timeoutMs: CALL_MAX_MS })
          .catch(() => undefined);
        if (found?.outcome.case === "hit") {
          this.counts.hits += 1;
          const value = Number(Buffer.from(found.outcome.value.value).toString());
          if (value < least) this.faults.push(`${key}: read ${value} after ${least} was acknowledged`);
        } else if (found !== undefined) this.counts.misses += 1;
      }
      await pause();
    }
  }

  async #readCopies(cache: MeshCache): Promise<void> {
    const namespace = cache.namespace(NAMESPACE);
    while (!this.#stop.signal.aborted) {
      for (const key of this.#keys) {
        const atMs = now();
        const least = this.#written.get(key)?.findLast((one) => one.atMs < atMs - LEASE_MS)?.value ?? 0;
        const copy = await namespace.get(key).catch(() => undefined);
        if (copy?.kind !== "hit") continue;
        this.counts.nearReads += 1;
        const value = Number(copy.value);
        if (value < least) this.faults.push(`${key}: a copy of ${value} more than a lease after ${least}`);
      }
      await pause();
    }
  }
}

const now = () => performance.now();
const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
