/** Short forms of the calls to a shard of the library, as `StoreDriver` has them for the embedded store. */
import type {
  GetResult,
  IncrementCommand,
  InvalidateTarget,
  LeaseResult,
  SetCommand,
  SetCondition,
} from "../../../src/store/api/store.ts";
import { LibraryShard } from "./library-shard.ts";
import type { RespConnection } from "./resp-connection.ts";
import { setTime, verify } from "./test-library.ts";

const writer = { origin: "driver", traceparent: "" };
const HOUR_MS = 3_600_000;

/** As the library has them, where what was `undefined` is the default. */
export type SetParts = Partial<Omit<SetCommand, "value">> & { readonly value?: string };

export class ShardDriver {
  readonly shard: LibraryShard;
  readonly connection: RespConnection;
  /** Never before the engine's own time, by which entries expire. */
  static #nextMs = 0;
  nowMs = 0;

  private constructor(connection: RespConnection, shard: LibraryShard) {
    this.connection = connection;
    this.shard = shard;
  }

  /** A shard with nothing in it, of an engine with nothing else in it. The engine has the library with a manual clock. */
  static async empty(connection: RespConnection, shard = new LibraryShard(connection)): Promise<ShardDriver> {
    // Valkey frees in the background by default, and what is yet to be freed counts as used memory.
    await connection.call("FLUSHALL", "SYNC");
    const driver = new ShardDriver(connection, shard);
    driver.nowMs = ShardDriver.#nextMs = Math.max(ShardDriver.#nextMs, Date.now() + HOUR_MS);
    await driver.advance(0);
    await verify(connection);
    await shard.claim();
    return driver;
  }

  /** A shard as it is, of an engine with any library. */
  static of(connection: RespConnection, shard: LibraryShard): ShardDriver {
    return new ShardDriver(connection, shard);
  }

  /** The same shard by calls that keep so many records in its stream. */
  withStreamOf(maxRecords: number): ShardDriver {
    return new ShardDriver(this.connection, new LibraryShard(this.connection, 0, maxRecords));
  }

  async advance(byMs: number): Promise<void> {
    this.nowMs += byMs;
    ShardDriver.#nextMs = Math.max(ShardDriver.#nextMs, this.nowMs);
    await setTime(this.connection, this.nowMs);
  }

  async set(key: string, { value = "v", ...parts }: SetParts = {}): Promise<string> {
    const result = await this.shard.set({
      ...{ namespace: "n", key, ttlMs: 0, staleMs: 0, tags: [], contentType: "", contentEncoding: "" },
      ...{ absent: false, sourceVersion: 0n, requestId: 0n, writer, value: Buffer.from(value) },
      condition: { kind: "always" } satisfies SetCondition,
      ...parts,
    });
    return result.kind === "stored" ? "stored" : result.reason;
  }

  async touch(key: string, ttlMs = 0, staleMs = 0): Promise<boolean> {
    const result = await this.shard.touch({ namespace: "n", key, ttlMs, staleMs, writer });
    return result.touched;
  }

  get(key: string, { namespace = "n", allowStale = false } = {}): Promise<GetResult> {
    return this.shard.get({ namespace, key, allowStale, ifVersion: 0, ifEpoch: 0n });
  }

  /** The value as text; undefined for a miss. */
  async read(key: string, parts: { readonly namespace?: string; readonly allowStale?: boolean } = {}) {
    const result = await this.get(key, parts);
    return result.kind === "hit" ? Buffer.from(result.entry.value).toString() : undefined;
  }

  async invalidate(
    target: InvalidateTarget,
    parts: { readonly namespace?: string; readonly soft?: boolean; readonly sourceVersion?: bigint } = {},
  ): Promise<number> {
    const command = { namespace: "n", target, soft: false, sourceVersion: 0n, writer, ...parts };
    return (await this.shard.invalidate(command)).removed;
  }

  invalidateTags(...tags: readonly string[]): Promise<number> {
    return this.invalidate({ kind: "tags", tags });
  }

  invalidatePrefix(prefix: string): Promise<number> {
    return this.invalidate({ kind: "prefix", prefix });
  }

  async increment(
    key: string,
    delta: bigint,
    parts: Partial<IncrementCommand> = {},
  ): Promise<bigint | string> {
    const result = await this.shard.increment({
      ...{ namespace: "n", key, delta, initial: 0n, ttlMs: 0, staleMs: 0, requestId: 0n, writer },
      condition: { kind: "always" },
      ...parts,
    });
    return result.kind === "incremented" ? result.value : result.reason;
  }

  lease(key: string, token: bigint, leaseMs = 1_000): Promise<LeaseResult> {
    return this.shard.lease({ namespace: "n", key, waitMs: 0, leaseMs }, token);
  }
}
